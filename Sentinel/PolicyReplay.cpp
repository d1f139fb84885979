// SPDX-License-Identifier: MIT
#include "Sentinel/PolicyReplay.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"
#include "Sentinel/FileReader.h"
#include "Sentinel/Limits.h"
#include "Sentinel/Output.h"
#include "Sentinel/PathText.h"
#include "Sentinel/ResultJson.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>

namespace Sentinel {

namespace {

QJsonObject part(const QJsonObject &object, const char *name)
{
    return object[QLatin1StringView(name)].toObject();
}

QString member(const QJsonObject &object, const char *name)
{
    return object[QLatin1StringView(name)].toString();
}

std::unexpected<QString> missing(const char *name, const QString &written)
{
    return std::unexpected(written.isEmpty()
            ? QStringLiteral("has no %1").arg(QLatin1StringView(name))
            : QStringLiteral("has an unknown %1, \"%2\"").arg(QLatin1StringView(name), written));
}

//! Those that made it a threat.
QStringList rulesOf(const QJsonObject &own)
{
    QStringList rules;
    for (const QJsonValue &finding : own[QStringLiteral("findings")].toArray()) {
        if (member(finding.toObject(), "severity") != nameOf(Severity::Info))
            rules.append(member(finding.toObject(), "rule"));
    }
    return rules;
}

} // namespace

std::expected<LoggedDecision, QString> LoggedDecision::of(const QJsonObject &event)
{
    const QJsonObject own = part(event, "sentinel");
    const QString verdictText = member(own, "verdict");
    const auto verdict = verdictNamed(verdictText);
    if (!verdict)
        return missing("sentinel.verdict", verdictText);
    const bool isNotScanned = *verdict == Verdict::NotScanned;
    const QString reasonText = member(own, "reason");
    const auto reason = isNotScanned ? reasonNamed(reasonText) : Reason::None;
    if (!reason || (isNotScanned && *reason == Reason::None))
        return missing("sentinel.reason", reasonText);
    const QString dispositionText = member(own, "disposition");
    const auto disposition = dispositionNamed(dispositionText);
    if (!disposition)
        return missing("sentinel.disposition", dispositionText);

    LoggedDecision logged;
    logged.disposition = *disposition;
    PolicyFacts &facts = logged.facts;
    facts.verdict = *verdict;
    facts.reason = *reason;
    facts.rules = rulesOf(own);
    facts.isAllSeen = !isNotScanned && own[QStringLiteral("findings_omitted")].toInt() == 0;
    facts.url = QUrl(member(part(event, "url"), "full"));
    facts.origin = Origin::of(facts.url);
    const QJsonObject file = part(event, "file");
    facts.fileName = member(file, "name");
    facts.mimeType = PolicyFacts::mimeTypeOf(member(file, "mime_type"));
    facts.fileType = fileTypeFromName(member(file, "type").toLower()).value_or(FileType::Unknown);
    facts.sizeBytes = file[QStringLiteral("size")].toInteger();
    if (*reason == Reason::TooLarge)
        facts.extent = PolicyFacts::Extent::SoFar;
    facts.sha256 = QByteArray::fromHex(member(part(file, "hash"), "sha256").toLatin1());
    return logged;
}

PolicyReplay::PolicyReplay(
    Policy policy, PolicyExceptions::View exceptions, Form form, Output &output)
    : m_policy(std::move(policy))
    , m_exceptions(std::move(exceptions))
    , m_form(form)
    , m_output(output)
{
}

std::expected<void, QString> PolicyReplay::read(const QByteArray &path)
{
    const auto unreadable = [&path](const QString &why) {
        return std::unexpected(QStringLiteral("%1: %2").arg(pathForPeople(path), why));
    };
    const auto descriptor = openForScan({nullptr, {}, path});
    if (!descriptor)
        return unreadable(descriptor.error());
    QFile file;
    if (!file.open(descriptor->get(), QIODevice::ReadOnly))
        return unreadable(file.errorString());
    while (!file.atEnd()) {
        QByteArray line = file.readLine(Limits::maxReplayLineBytes + 1);
        if (line.isEmpty())
            break;
        ++m_line;
        const bool isTooLong = line.size() >= Limits::maxReplayLineBytes && !line.endsWith('\n');
        while (isTooLong && !line.endsWith('\n') && !file.atEnd())
            line = file.readLine(Limits::maxReplayLineBytes + 1);
        if (isTooLong)
            noteBroken(QStringLiteral("is too long"));
        else if (!line.trimmed().isEmpty())
            takeLine(line);
    }
    if (file.error() != QFileDevice::NoError)
        return unreadable(file.errorString());
    return {};
}

void PolicyReplay::takeLine(const QByteArray &line)
{
    QJsonParseError error;
    const QJsonDocument document = QJsonDocument::fromJson(line, &error);
    if (!document.isObject())
        return noteBroken(QStringLiteral("is no object of JSON"));
    const QJsonObject event = document.object();
    if (member(part(event, "event"), "action") != QLatin1StringView("decision"))
        return;
    const auto logged = LoggedDecision::of(event);
    if (!logged)
        return noteBroken(logged.error());
    const Decision after = decide(m_policy, logged->facts, *m_exceptions, m_now);
    ++m_counts[size_t(logged->disposition)][size_t(after.disposition)];
    if (after.disposition != logged->disposition)
        tellChange(event, logged->facts, logged->disposition, after);
}

void PolicyReplay::tellChange(
    const QJsonObject &event, const PolicyFacts &facts, Disposition before, const Decision &after)
{
    const bool isNotScanned = facts.verdict == Verdict::NotScanned;
    if (m_form == Form::Json) {
        m_output.result(jsonLine({
            {QStringLiteral("line"), m_line},
            {QStringLiteral("id"), part(event, "event")[QStringLiteral("id")]},
            {QStringLiteral("before"), nameOf(before)},
            {QStringLiteral("after"), nameOf(after.disposition)},
            {QStringLiteral("verdict"), nameOf(facts.verdict)},
            {QStringLiteral("reason"),
                isNotScanned ? QJsonValue(nameOf(facts.reason)) : QJsonValue()},
            {QStringLiteral("url"),
                facts.url.isEmpty() ? QJsonValue() : QJsonValue(facts.url.toString())},
            {QStringLiteral("decided"), after.name},
            {QStringLiteral("text"), after.text},
        }));
        return;
    }
    const QString what = isNotScanned ? QStringLiteral("NotScanned, %1").arg(nameOf(facts.reason))
                                      : nameOf(facts.verdict);
    const QString where =
        facts.url.isEmpty() ? QStringLiteral("from nowhere known") : facts.url.toString();
    m_output.result(
        printable(QStringLiteral("line %1: %2 -> %3: %4, %5 (%6)")
                      .arg(m_line)
                      .arg(nameOf(before), nameOf(after.disposition), what, where, after.text)));
}

void PolicyReplay::noteBroken(const QString &what)
{
    if (m_broken++ < Limits::maxBrokenLinesTold)
        m_output.message(printable(QStringLiteral("line %1 %2").arg(m_line).arg(what)));
}

qint64 PolicyReplay::changes() const
{
    qint64 all = 0;
    for (size_t before = 0; before < m_counts.size(); ++before) {
        for (size_t after = 0; after < m_counts.size(); ++after)
            all += before == after ? 0 : m_counts[before][after];
    }
    return all;
}

void PolicyReplay::sum()
{
    if (m_broken > Limits::maxBrokenLinesTold) {
        m_output.message(QStringLiteral("... and %1 more broken lines")
                             .arg(m_broken - Limits::maxBrokenLinesTold));
    }
    QJsonArray counts;
    for (const Disposition before : allDispositions) {
        for (const Disposition after : allDispositions) {
            const qint64 count = m_counts[size_t(before)][size_t(after)];
            if (count == 0)
                continue;
            counts.append(QJsonObject{{QStringLiteral("before"), nameOf(before)},
                {QStringLiteral("after"), nameOf(after)}, {QStringLiteral("count"), count}});
            if (m_form == Form::Text) {
                m_output.result(
                    QStringLiteral("%1 -> %2: %3%4")
                        .arg(nameOf(before), nameOf(after))
                        .arg(count)
                        .arg(before == after ? QStringLiteral(" as they were") : QString()));
            }
        }
    }
    if (m_form == Form::Json) {
        m_output.result(jsonLine({{QStringLiteral("counts"), counts},
            {QStringLiteral("changes"), changes()}, {QStringLiteral("brokenLines"), m_broken}}));
    } else if (counts.isEmpty()) {
        m_output.result(QStringLiteral("There is no decision in it."));
    }
}

} // namespace Sentinel
