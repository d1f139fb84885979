// SPDX-License-Identifier: MIT
#include "SecurityTap/Logging.h"
#include "SecurityTap/backend/ContentLoaders_p.h"
#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/scan/LeftBehind_p.h"
#include "SecurityTap/scan/QtHandover_p.h"

#include <exception>
#include <utility>

namespace Sentinel {

namespace {

using Loaded = std::expected<std::shared_ptr<const Content>, ScanResult>;

Loaded fetch(const RemoteScans::Source &source)
{
    if (source.content)
        return source.content;
    try {
        return source.request->subject().loader();
    } catch (const std::exception &e) {
        return std::unexpected(
            ScanResult::notScanned(Reason::Unreadable, QString::fromLocal8Bit(e.what())));
    } catch (...) {
        return std::unexpected(ScanResult::notScanned(Reason::Unreadable));
    }
}

} // namespace

ContentLoaders::ContentLoaders(std::shared_ptr<RemoteScans> scans, qint64 maxScanBytes, int threads)
    : m_scans(std::move(scans)), m_maxScanBytes(maxScanBytes)
{
    setAutoDelete(false);
    m_threads.setMaxThreadCount(threads);
}

void ContentLoaders::end(std::unique_ptr<ContentLoaders> loaders)
{
    loaders->m_threads.clear();
    const std::chrono::milliseconds patience = Limits::stopPatience;
    if (loaders->m_threads.waitForDone(int(patience.count()))) {
        QtHandover::taken(loaders.get());
        return;
    }
    qCCritical(logScan) << "a content that is being read does not come: its thread is left behind";
    leaveBehind(std::move(loaders));
}

void ContentLoaders::run()
{
    loadNext();
    QtHandover::given(this);
}

void ContentLoaders::loadNext()
{
    const auto source = m_scans->nextSource();
    if (!source)
        return; // nobody waits for it any more
    const quint64 id = source->request->id();
    const Loaded content = fetch(*source);
    if (!content)
        return m_scans->fail(id, content.error());
    const qint64 size = (*content)->extent().sizeBytes;
    if (size > m_maxScanBytes)
        return m_scans->fail(id, ScanResult::notScanned(Reason::TooLarge));
    auto file = contentFile(**content);
    if (!file)
        return m_scans->fail(id, ScanResult::notScanned(Reason::Unreadable, file.error()));
    m_scans->provide(id, *std::move(file), size);
}

} // namespace Sentinel
