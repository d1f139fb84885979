// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyException.h"

#include "SecurityTap/Limits.h"

#include <algorithm>

namespace Sentinel {

namespace {

constexpr qsizetype exceptionHashBytes = 32;
constexpr qsizetype shownHashDigits = 12;

bool isTooLongText(const QString &text)
{
    return text.toUtf8().size() > Limits::maxExceptionTextBytes;
}

} // namespace

bool PolicyException::isExpired(const QDateTime &now) const
{
    return expires.isValid() && now >= expires;
}

std::optional<PolicyException::Part> PolicyException::failing(
    const PolicyFacts &facts, const QDateTime &now) const
{
    if (isExpired(now))
        return Part::Time;
    if (!sha256.isEmpty() && sha256 != facts.sha256)
        return Part::Content;
    if (origin && *origin != facts.origin)
        return Part::Origin;
    if (facts.verdict == Verdict::NotScanned) {
        // Whose rules are named is allowed for what these found.
        return allowsUnscanned && rules.isEmpty() ? std::nullopt : std::optional(Part::NotScanned);
    }
    const auto isNamed = [this](const QString &rule) { return rules.contains(rule); };
    const bool areCovered =
        rules.isEmpty() || (!facts.rules.isEmpty() && std::ranges::all_of(facts.rules, isNamed));
    if (!areCovered)
        return Part::Rules;
    const bool isKnown = !sha256.isEmpty() && rules.isEmpty();
    if (!isKnown && !facts.isAllSeen && !allowsUnscanned)
        return Part::Unseen;
    return std::nullopt;
}

std::optional<QString> PolicyException::problem() const
{
    if (!sha256.isEmpty() && sha256.size() != exceptionHashBytes)
        return QStringLiteral("a SHA-256 has 64 hexadecimal digits");
    if (sha256.isEmpty() && rules.isEmpty() && !origin)
        return QStringLiteral("it would allow everything");
    if (origin && origin->scheme.isEmpty())
        return QStringLiteral("its origin is none");
    if (rules.size() > Limits::maxRulesOfException)
        return QStringLiteral("it names more than %1 rules").arg(Limits::maxRulesOfException);
    if (rules.contains(QString()) || std::ranges::any_of(rules, &isTooLongText))
        return QStringLiteral("a name of a rule is empty or too long");
    if (why.trimmed().isEmpty())
        return QStringLiteral("it does not say why");
    if (isTooLongText(why) || isTooLongText(who)) {
        return QStringLiteral("a text of it has more than %1 bytes")
            .arg(Limits::maxExceptionTextBytes);
    }
    if (!made.isValid())
        return QStringLiteral("it does not say when it was made");
    if (expires.isValid() && expires > made.addDays(Limits::maxExceptionAge.count())) {
        return QStringLiteral("it ends more than %1 days after it was made")
            .arg(Limits::maxExceptionAge.count());
    }
    return std::nullopt;
}

QString PolicyException::toString() const
{
    QString text = sha256.isEmpty()
        ? QStringLiteral("any content")
        : QStringLiteral("content %1...")
              .arg(QLatin1StringView(sha256.toHex().first(shownHashDigits)));
    text += QStringLiteral(" from ") + (origin ? origin->toString() : QStringLiteral("anywhere"));
    if (!rules.isEmpty())
        text += QStringLiteral(", if %1 found it").arg(rules.join(QStringLiteral(", ")));
    if (allowsUnscanned)
        text += QStringLiteral(", scanned or not");
    return text;
}

QString explainMiss(PolicyException::Part part)
{
    switch (part) {
    case PolicyException::Part::Time:
        return QStringLiteral("it has expired");
    case PolicyException::Part::Content:
        return QStringLiteral("it is for another content");
    case PolicyException::Part::Origin:
        return QStringLiteral("it is for another origin");
    case PolicyException::Part::NotScanned:
        return QStringLiteral("it is not for what was not scanned");
    case PolicyException::Part::Rules:
        return QStringLiteral("not all that was found is by its rules");
    case PolicyException::Part::Unseen:
        return QStringLiteral("part of the content was not seen");
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
