// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveEngine.h"

#include "SecurityTap/archive/ArchiveScan.h"

namespace Sentinel {

ArchiveEngine::ArchiveEngine(std::shared_ptr<const ScanEngine> inner, ArchiveSettings settings)
    : m_inner(std::move(inner))
    , m_settings(std::make_shared<const ArchiveSettings>(std::move(settings)))
{
}

std::unique_ptr<ScanTask> ArchiveEngine::begin(
    const ScanSubject &subject, std::shared_ptr<const Content> content) const
{
    if (!m_settings->enabled)
        return m_inner->begin(subject, std::move(content));
    return std::make_unique<ArchiveScan>(m_inner, m_settings, subject, std::move(content));
}

} // namespace Sentinel
