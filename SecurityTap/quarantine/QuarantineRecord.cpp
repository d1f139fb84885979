// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/QuarantineRecord.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/store/KeptAddress.h"

#include <QJsonArray>

#include <array>

namespace Sentinel {

namespace {

constexpr int recordVersion = 1;
constexpr qsizetype sha256Bytes = 32;

QUrl keptUrl(const QUrl &url)
{
    const QUrl bare = url.adjusted(unkeptAddressParts);
    const QByteArray text = bare.toEncoded();
    return text.size() <= Limits::maxQuarantineText
        ? bare
        : QUrl::fromEncoded(text.first(Limits::maxQuarantineText));
}

QString urlText(const QUrl &url)
{
    return QString::fromLatin1(url.toEncoded());
}

QUrl urlOfText(const QJsonValue &text)
{
    return QUrl::fromEncoded(text.toString().toLatin1());
}

std::optional<Verdict> recordedVerdict(const QString &name)
{
    for (const Verdict verdict : allVerdicts) {
        if (nameOf(verdict) == name)
            return verdict;
    }
    return std::nullopt;
}

} // namespace

QuarantineRecord QuarantineRecord::asKept() const
{
    QuarantineRecord kept = *this;
    if (privacy == Download::Privacy::Private) {
        kept.url.clear();
        kept.referrer.clear();
        kept.name.clear();
        kept.directory.clear();
    }
    kept.url = keptUrl(kept.url);
    kept.referrer = keptUrl(kept.referrer);
    for (QString *text : {&kept.directory, &kept.name, &kept.mimeType, &kept.clause})
        text->truncate(Limits::maxQuarantineText);
    kept.findings = kept.findings.mid(0, Limits::maxFindings);
    for (QString &finding : kept.findings)
        finding.truncate(Limits::maxQuarantineRuleName);
    if (!kept.storedAt.isValid())
        kept.storedAt = QDateTime::currentDateTimeUtc();
    kept.storedAt = kept.storedAt.toUTC();
    return kept;
}

QJsonObject QuarantineRecord::toJson() const
{
    return {
        {QStringLiteral("version"), recordVersion},
        {QStringLiteral("directory"), directory},
        {QStringLiteral("name"), name},
        {QStringLiteral("url"), urlText(url)},
        {QStringLiteral("referrer"), urlText(referrer)},
        {QStringLiteral("mimeType"), mimeType},
        {QStringLiteral("sha256"), QString::fromLatin1(sha256.toHex())},
        {QStringLiteral("size"), sizeBytes},
        {QStringLiteral("verdict"), nameOf(verdict)},
        {QStringLiteral("findings"), QJsonArray::fromStringList(findings)},
        {QStringLiteral("clause"), clause},
        {QStringLiteral("storedAt"), storedAt.toString(Qt::ISODateWithMs)},
        {QStringLiteral("private"), privacy == Download::Privacy::Private},
    };
}

std::optional<QuarantineRecord> QuarantineRecord::fromJson(const QJsonObject &object)
{
    const auto text = [&object](const char *key) {
        return object.value(QLatin1StringView(key)).toString();
    };
    const auto verdict = recordedVerdict(text("verdict"));
    QuarantineRecord record;
    record.directory = text("directory");
    record.name = text("name");
    record.url = urlOfText(object.value(QStringLiteral("url")));
    record.referrer = urlOfText(object.value(QStringLiteral("referrer")));
    record.mimeType = text("mimeType");
    record.sha256 = QByteArray::fromHex(text("sha256").toLatin1());
    record.sizeBytes = object.value(QStringLiteral("size")).toInteger(-1);
    for (const QJsonValue &finding : object.value(QStringLiteral("findings")).toArray())
        record.findings.append(finding.toString());
    record.clause = text("clause");
    record.storedAt = QDateTime::fromString(text("storedAt"), Qt::ISODateWithMs);
    if (object.value(QStringLiteral("private")).toBool())
        record.privacy = Download::Privacy::Private;
    const bool isGood = object.value(QStringLiteral("version")).toInt() == recordVersion && verdict
        && record.sha256.size() == sha256Bytes && record.sizeBytes >= 0
        && record.storedAt.isValid();
    if (!isGood)
        return std::nullopt;
    record.verdict = *verdict;
    return record;
}

} // namespace Sentinel
