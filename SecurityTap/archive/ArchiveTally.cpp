// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveTally.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveReader.h"
#include "SecurityTap/content/FileName.h"

#include <algorithm>

namespace Sentinel {

namespace {

using Trouble = ArchiveTally::Trouble;

struct TroubleText {
    Reason reason;
    const char *text;
};

TroubleText textOf(Trouble trouble)
{
    switch (trouble) {
    case Trouble::Engine:
        return {Reason::EngineError, "a member was not scanned"};
    case Trouble::EngineLimit:
        return {Reason::LimitHit, "a member was not scanned completely"};
    case Trouble::Depth:
        return {Reason::LimitHit, "archives are nested too deep"};
    case Trouble::Members:
        return {Reason::LimitHit, "too many members"};
    case Trouble::MemberBytes:
        return {Reason::LimitHit, "a member is too large"};
    case Trouble::ExpandedBytes:
        return {Reason::LimitHit, "the members are too large together"};
    case Trouble::HeldBytes:
        return {Reason::LimitHit, "nested archives are too large"};
    case Trouble::Ratio:
        return {Reason::LimitHit, "expands too much for its size"};
    case Trouble::Memory:
        return {Reason::LimitHit, "unpacking needs too much memory"};
    case Trouble::Unsupported:
        return {Reason::LimitHit, "cannot be unpacked here"};
    case Trouble::Damaged:
        return {Reason::Damaged, "damaged"};
    case Trouble::Encrypted:
        return {Reason::Encrypted, "encrypted"};
    }
    Q_UNREACHABLE();
}

} // namespace

void ArchiveTally::addFile(ScanResult result)
{
    m_coverage = result.coverage();
    m_findings = result.findings();
    m_file = std::move(result);
}

void ArchiveTally::addMember(const QString &place, ScanResult result)
{
    addPart(place, result);
    if (result.coverage().isComplete()) {
        ++m_coverage.membersScanned;
        return;
    }
    const QString why = result.coverage().limitsHit.join(QStringLiteral("; "));
    const bool isLimit = result.reason() == Reason::LimitHit || result.isThreat();
    addTrouble(isLimit ? Trouble::EngineLimit : Trouble::Engine, place,
        why.isEmpty() ? result.detail() : why);
}

void ArchiveTally::addPart(const QString &place, const ScanResult &result)
{
    m_coverage.findingsOmitted += result.coverage().findingsOmitted;
    for (Finding finding : result.findings()) {
        finding.member = place;
        if (m_findings.size() < size_t(Limits::maxFindings)) {
            m_findings.push_back(std::move(finding));
            continue;
        }
        ++m_coverage.findingsOmitted;
        const auto mildest = std::ranges::min_element(m_findings, {}, &Finding::severity);
        if (mildest->severity < finding.severity)
            *mildest = std::move(finding);
    }
}

void ArchiveTally::addTrouble(Trouble trouble, const QString &place, const QString &text)
{
    const auto known = std::ranges::find(m_unseen, trouble, &Unseen::trouble);
    if (known != m_unseen.end()) {
        ++known->more;
        return;
    }
    QStringList words;
    if (!place.isEmpty())
        words.append(place);
    if (!text.isEmpty())
        words.append(QStringLiteral("(%1)").arg(printable(text)));
    m_unseen.push_back({trouble, words.join(u' ')});
}

void ArchiveTally::addNotLookedInto(const QString &what)
{
    if (!what.isEmpty() && !m_coverage.notLookedInto.contains(what))
        m_coverage.notLookedInto.append(what);
}

ScanResult ArchiveTally::result() const
{
    if (!m_hasArchive && m_unseen.empty() && m_coverage.notLookedInto.isEmpty())
        return *m_file;
    Coverage coverage = m_coverage;
    if (m_hasArchive && !coverage.engines.isEmpty())
        coverage.engines.append(archiveEngineName());
    Reason reason = m_file->reason();
    if (reason != Reason::None && coverage.limitsHit.isEmpty() && !m_file->detail().isEmpty())
        coverage.limitsHit.append(m_file->detail());
    std::vector<Unseen> unseen = m_unseen;
    std::ranges::sort(unseen, {}, &Unseen::trouble);
    for (const Unseen &one : unseen) {
        const TroubleText said = textOf(one.trouble);
        QString text = QLatin1StringView(said.text);
        if (!one.first.isEmpty())
            text += QStringLiteral(": ") + one.first;
        if (one.more > 0)
            text += QStringLiteral(", and %1 more").arg(one.more);
        coverage.limitsHit.append(text);
        if (reason == Reason::None)
            reason = said.reason;
    }
    return ScanResult::judge(std::move(coverage), m_findings, m_file->sha256(),
        reason == Reason::None ? Reason::LimitHit : reason);
}

} // namespace Sentinel
