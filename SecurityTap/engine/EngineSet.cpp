// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/EngineSet.h"

#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/engine/EngineSetScan.h"
#include "SecurityTap/scan/ScanRequest.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

//! What a verdict depends on: the rules of each engine, and which of them has to look.
QByteArray fingerprintOf(const std::vector<EngineSet::Member> &members)
{
    Sha256 hash;
    for (const EngineSet::Member &member : members) {
        QByteArray text = member.name.toUtf8() + '\n' + member.engine->fingerprint().toHex() + '\n'
            + QByteArray::number(int(member.need)) + '\n';
        for (const FileType type : member.types)
            text += QByteArray::number(int(type)) + ' ';
        text += '\n';
        hash.add({reinterpret_cast<const uchar *>(text.constData()), size_t(text.size())});
    }
    return hash.result();
}

//! Of a type that nobody knows all look at.
bool isFor(const EngineSet::Member &member, FileType type)
{
    return member.types.empty() || type == FileType::Unknown
        || std::ranges::find(member.types, type) != member.types.end();
}

} // namespace

EngineSet::EngineSet(std::vector<Member> members)
    : m_members(std::move(members)), m_fingerprint(fingerprintOf(m_members))
{
    const auto leader = std::ranges::find_if(m_members,
        [](const Member &member) { return member.need == Need::Required && member.types.empty(); });
    Q_ASSERT(leader != m_members.end());
    m_leader = leader->engine;
}

std::unique_ptr<ScanTask> EngineSet::begin(
    const ScanSubject &subject, std::shared_ptr<const Content> content) const
{
    std::vector<EngineSetScan::Part> parts;
    for (const Member &member : m_members) {
        parts.push_back({member.name, member.need,
            isFor(member, subject.fileType) ? member.engine->begin(subject, content) : nullptr});
    }
    return std::make_unique<EngineSetScan>(std::move(parts));
}

} // namespace Sentinel
