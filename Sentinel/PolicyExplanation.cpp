// SPDX-License-Identifier: MIT
#include "Sentinel/PolicyExplanation.h"

#include "SecurityTap/content/FileType.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/CommandLine.h"
#include "Sentinel/ResultJson.h"

#include <QJsonArray>

#include <limits>

namespace Sentinel {

namespace {

constexpr qsizetype sha256Digits = 64;

QString noSuch(const char *option, const QByteArray &value, const QString &wanted)
{
    return QStringLiteral("--%1 takes %2, not \"%3\"")
        .arg(QLatin1StringView(option), wanted, QString::fromUtf8(value));
}

QString textOption(const CommandLine &line, const char *option)
{
    return QString::fromUtf8(line.value(option).value_or(QByteArray()));
}

std::expected<void, QString> readVerdict(const CommandLine &line, PolicyFacts &facts)
{
    const QByteArray verdictText = line.value("verdict").value_or(QByteArray());
    const auto verdict = verdictNamed(QString::fromUtf8(verdictText));
    if (!verdict) {
        return std::unexpected(noSuch(
            "verdict", verdictText, QStringLiteral("Clean, Suspicious, Malicious or NotScanned")));
    }
    const auto reasonText = line.value("reason");
    if (reasonText.has_value() != (*verdict == Verdict::NotScanned)) {
        return std::unexpected(QStringLiteral("--verdict NotScanned and --reason belong together"));
    }
    const auto reason = reasonText ? reasonNamed(QString::fromUtf8(*reasonText)) : Reason::None;
    if (!reason || (reasonText && *reason == Reason::None)) {
        return std::unexpected(
            noSuch("reason", *reasonText, QStringLiteral("a reason such as QueueFull")));
    }
    facts.verdict = *verdict;
    facts.reason = *reason;
    // Whether a download is too large is known before it has ended.
    if (*reason == Reason::TooLarge)
        facts.extent = PolicyFacts::Extent::SoFar;
    return {};
}

QJsonArray jsonOf(const auto &asked)
{
    QJsonArray list;
    for (const auto &one : asked) {
        list.append(QJsonObject{
            {QStringLiteral("name"), one.name},
            {QStringLiteral("text"), one.text},
            {QStringLiteral("decides"), one.decides},
            {QStringLiteral("outcome"), one.outcome},
        });
    }
    return list;
}

} // namespace

std::expected<QByteArray, QString> sha256Of(const QByteArray &text)
{
    const QByteArray hash = QByteArray::fromHex(text);
    if (text.size() != sha256Digits || hash.toHex() != text.toLower()) {
        return std::unexpected(noSuch("sha256", text, QStringLiteral("64 hexadecimal digits")));
    }
    return hash;
}

std::expected<PolicyFacts, QString> factsOf(const CommandLine &line)
{
    PolicyFacts facts;
    if (const auto read = readVerdict(line, facts); !read)
        return std::unexpected(read.error());
    facts.isAllSeen = facts.verdict != Verdict::NotScanned;
    if (const auto text = line.value("url")) {
        facts.url = QUrl(QString::fromUtf8(*text), QUrl::StrictMode);
        facts.origin = Origin::of(facts.url);
        if (!facts.url.isValid() || facts.origin.scheme.isEmpty())
            return std::unexpected(noSuch("url", *text, QStringLiteral("a whole address")));
    }
    facts.mimeType = PolicyFacts::mimeTypeOf(textOption(line, "mime"));
    if (const auto text = line.value("type")) {
        const auto type = fileTypeFromName(QString::fromUtf8(*text).toLower());
        if (!type) {
            return std::unexpected(noSuch(
                "type", *text, QStringLiteral("a type of files such as archive or executable")));
        }
        facts.fileType = *type;
    }
    if (const auto text = line.value("size")) {
        const auto size = sizeOf(*text, std::numeric_limits<qint64>::max());
        if (!size) {
            return std::unexpected(
                noSuch("size", *text, QStringLiteral("a number of bytes such as 300, 64K or 2G")));
        }
        facts.sizeBytes = *size;
    }
    if (const auto text = line.value("sha256")) {
        auto hash = sha256Of(*text);
        if (!hash)
            return std::unexpected(hash.error());
        facts.sha256 = *std::move(hash);
    }
    for (const QByteArray &rule : line.values("rule"))
        facts.rules.append(QString::fromUtf8(rule));
    facts.fileName = textOption(line, "name");
    return facts;
}

std::expected<std::vector<PolicyClause>, QString> clausesOf(const CommandLine &line)
{
    std::vector<PolicyClause> clauses;
    for (const QByteArray &text : line.values("clause")) {
        auto clause = PolicyClause::parse(QString::fromUtf8(text));
        if (!clause)
            return std::unexpected(QStringLiteral("--clause: %1").arg(clause.error()));
        clauses.push_back(*std::move(clause));
    }
    return clauses;
}

PolicyExplanation::PolicyExplanation(const Policy &policy, const PolicyFacts &facts,
    const PolicyExceptions::List &exceptions, const QDateTime &now)
    : m_facts(facts), m_decision(decide(policy, facts, exceptions, now))
{
    const bool areExceptionsAsked =
        facts.verdict != Verdict::Clean && m_decision.by != Decision::By::Content;
    bool isDecided = false;
    const auto ask = [&](bool isAsked, bool decides, const QString &miss) {
        if (decides)
            isDecided = true;
        else if (isDecided || !isAsked)
            return QStringLiteral("not asked");
        return decides ? QStringLiteral("decides") : miss;
    };
    for (const PolicyException &one : exceptions) {
        const auto miss = one.failing(facts, now);
        const bool decides = m_decision.exception == one.id && !isDecided;
        m_exceptions.push_back({QStringLiteral("exception %1").arg(one.id), one.toString(),
            ask(areExceptionsAsked, decides, miss ? explainMiss(*miss) : QString()), decides});
    }
    for (size_t i = 0; i < policy.clauses.size(); ++i) {
        const PolicyClause &one = policy.clauses[i];
        const auto miss = one.failing(facts);
        const bool decides = m_decision.clause == int(i);
        m_clauses.push_back({QStringLiteral("clause %1").arg(i + 1), one.toString(),
            ask(m_decision.by != Decision::By::Content, decides,
                miss ? explainMiss(*miss, facts) : QString()),
            decides});
    }
}

QStringList PolicyExplanation::lines() const
{
    QStringList lines{
        QStringLiteral("%1: %2").arg(nameOf(m_decision.disposition), m_decision.text)};
    if (m_decision.hold > std::chrono::milliseconds::zero()) {
        lines.append(QStringLiteral("before that, up to %1 of waiting for a free slot")
                         .arg(durationText(m_decision.hold)));
    }
    for (const auto *asked : {&m_exceptions, &m_clauses}) {
        for (const Asked &one : *asked)
            lines.append(QStringLiteral("  %1: %2 (%3)").arg(one.name, one.outcome, one.text));
    }
    return lines;
}

QByteArray PolicyExplanation::toJson() const
{
    return jsonLine({
        {QStringLiteral("disposition"), nameOf(m_decision.disposition)},
        {QStringLiteral("decided"), m_decision.name},
        {QStringLiteral("text"), m_decision.text},
        {QStringLiteral("holdMs"), qint64(m_decision.hold.count())},
        {QStringLiteral("exceptions"), jsonOf(m_exceptions)},
        {QStringLiteral("clauses"), jsonOf(m_clauses)},
    });
}

} // namespace Sentinel
