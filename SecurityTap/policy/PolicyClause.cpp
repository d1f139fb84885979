// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyClause.h"

#include "SecurityTap/content/FileType.h"
#include "SecurityTap/text/ByteSize.h"

#include <algorithm>

namespace Sentinel {

namespace {

bool isForVerdict(const PolicyClause &clause, Verdict verdict)
{
    if (!clause.verdicts.empty())
        return std::ranges::find(clause.verdicts, verdict) != clause.verdicts.end();
    if (!clause.reasons.empty())
        return verdict == Verdict::NotScanned;
    switch (verdict) {
    case Verdict::Clean:
        return false;
    case Verdict::Malicious:
        return clause.effect == Disposition::Block || clause.effect == Disposition::Quarantine;
    case Verdict::Suspicious:
    case Verdict::NotScanned:
        return true;
    }
    Q_UNREACHABLE();
}

bool mimeTypeMatches(const QString &pattern, const QString &mimeType)
{
    if (pattern == QLatin1String("*/*"))
        return !mimeType.isEmpty();
    return pattern.endsWith(u'*') ? mimeType.startsWith(QStringView(pattern).chopped(1))
                                  : mimeType == pattern;
}

//! Of what is not all there only that it is large is certain.
bool sizeMatches(const PolicyClause &clause, const PolicyFacts &facts)
{
    const bool isBounded = clause.mostBytes != PolicyClause().mostBytes;
    if (isBounded && facts.extent == PolicyFacts::Extent::SoFar)
        return false;
    return facts.sizeBytes >= clause.leastBytes && facts.sizeBytes <= clause.mostBytes;
}

//! True if nothing is asked for, or one of \p wanted fits.
bool isAnyOf(const auto &wanted, auto fits)
{
    return wanted.empty() || std::ranges::any_of(wanted, fits);
}

} // namespace

std::optional<PolicyClause::Part> PolicyClause::failing(const PolicyFacts &facts) const
{
    if (!isForVerdict(*this, facts.verdict))
        return Part::Verdict;
    if (!isAnyOf(reasons, [&](Reason one) { return one == facts.reason; }))
        return Part::Reason;
    if (!isAnyOf(origins, [&](const OriginPattern &one) { return one.matches(facts.origin); }))
        return Part::Origin;
    if (!isAnyOf(
            mimeTypes, [&](const QString &one) { return mimeTypeMatches(one, facts.mimeType); }))
        return Part::MimeType;
    if (!isAnyOf(fileTypes, [&](FileType one) { return one == facts.fileType; }))
        return Part::FileType;
    if (!sizeMatches(*this, facts))
        return Part::Size;
    return std::nullopt;
}

QString explainMiss(PolicyClause::Part part, const PolicyFacts &facts)
{
    switch (part) {
    case PolicyClause::Part::Verdict:
        return QStringLiteral("it is not for %1").arg(nameOf(facts.verdict));
    case PolicyClause::Part::Reason:
        return QStringLiteral("it is not for the reason %1").arg(nameOf(facts.reason));
    case PolicyClause::Part::Origin:
        return QStringLiteral("it is not for %1").arg(facts.origin.toString());
    case PolicyClause::Part::MimeType:
        return facts.mimeType.isEmpty()
            ? QStringLiteral("no MIME type was announced")
            : QStringLiteral("it is not for the MIME type %1").arg(facts.mimeType);
    case PolicyClause::Part::FileType:
        return QStringLiteral("it is not for the file type %1").arg(nameOf(facts.fileType));
    case PolicyClause::Part::Size:
        return facts.extent == PolicyFacts::Extent::SoFar
            ? QStringLiteral("it is not for a size of %1 or more")
                  .arg(byteSizeText(facts.sizeBytes))
            : QStringLiteral("it is not for a size of %1").arg(byteSizeText(facts.sizeBytes));
    }
    Q_UNREACHABLE();
}

bool isHoldable(Reason reason)
{
    return reason == Reason::QueueFull || reason == Reason::ScannerUnavailable;
}

bool isReleasable(Reason reason)
{
    return reason != Reason::Cancelled && reason != Reason::Incomplete
        && reason != Reason::Unreadable;
}

} // namespace Sentinel
