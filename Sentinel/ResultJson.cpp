// SPDX-License-Identifier: MIT
#include "Sentinel/ResultJson.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/PathText.h"

#include <QJsonArray>
#include <QJsonDocument>

namespace Sentinel {

namespace {

QJsonValue hexOrNull(const QByteArray &bytes)
{
    return bytes.isEmpty() ? QJsonValue() : QJsonValue(QString::fromLatin1(bytes.toHex()));
}

//! Public rules often say one name twice (hash, reference): its values then stand in a list.
QJsonObject metaObject(const Finding &finding)
{
    QJsonObject object;
    for (const auto &[name, variant] : finding.meta) {
        const QJsonValue value = QJsonValue::fromVariant(variant);
        const QJsonValue before = object.value(name);
        if (before.isUndefined()) {
            object.insert(name, value);
            continue;
        }
        QJsonArray all = before.isArray() ? before.toArray() : QJsonArray{before};
        all.append(value);
        object.insert(name, all);
    }
    return object;
}

QJsonObject toJson(const Finding &finding)
{
    QJsonArray strings;
    for (const StringMatch &match : finding.strings) {
        strings.append(QJsonObject{{QStringLiteral("identifier"), match.identifier},
            {QStringLiteral("offset"), match.offset}, {QStringLiteral("length"), match.length}});
    }
    return {
        {QStringLiteral("engine"), finding.engine},
        {QStringLiteral("member"), finding.member},
        {QStringLiteral("rule"), finding.rule},
        {QStringLiteral("namespace"), finding.ruleNamespace},
        {QStringLiteral("tags"), QJsonArray::fromStringList(finding.tags)},
        {QStringLiteral("meta"), metaObject(finding)},
        {QStringLiteral("severity"), nameOf(finding.severity)},
        {QStringLiteral("strings"), strings},
        {QStringLiteral("stringsOmitted"), finding.stringsOmitted},
    };
}

QJsonArray toJson(const std::vector<EngineGap> &gaps)
{
    QJsonArray array;
    for (const EngineGap &gap : gaps) {
        array.append(QJsonObject{{QStringLiteral("engine"), gap.engine},
            {QStringLiteral("kind"), nameOf(gap.kind)}, {QStringLiteral("why"), gap.why}});
    }
    return array;
}

QJsonObject toJson(const Coverage &coverage)
{
    return {
        {QStringLiteral("bytesTotal"), coverage.bytesTotal},
        {QStringLiteral("bytesScanned"), coverage.bytesScanned},
        {QStringLiteral("engines"), QJsonArray::fromStringList(coverage.engines)},
        {QStringLiteral("gaps"), toJson(coverage.gaps)},
        {QStringLiteral("limitsHit"), QJsonArray::fromStringList(coverage.limitsHit)},
        {QStringLiteral("ruleSetDigest"), hexOrNull(coverage.ruleSetDigest)},
        {QStringLiteral("membersScanned"), coverage.membersScanned},
        {QStringLiteral("notLookedInto"), QJsonArray::fromStringList(coverage.notLookedInto)},
        {QStringLiteral("findingsOmitted"), coverage.findingsOmitted},
    };
}

bool isAscii(const QByteArray &text)
{
    for (const char c : text) {
        if (uchar(c) >= 0x7f)
            return false;
    }
    return true;
}

} // namespace

QJsonObject toJson(const ScanResult &result)
{
    QJsonArray findings;
    for (const Finding &finding : result.findings())
        findings.append(toJson(finding));
    return {
        {QStringLiteral("verdict"), nameOf(result.verdict())},
        {QStringLiteral("reason"), nameOf(result.reason())},
        {QStringLiteral("detail"), result.detail()},
        {QStringLiteral("sha256"), hexOrNull(result.sha256())},
        {QStringLiteral("findings"), findings},
        {QStringLiteral("coverage"), toJson(result.coverage())},
    };
}

void setPath(QJsonObject &object, const QByteArray &path)
{
    const QString shown = pathForPeople(path);
    object.insert(QStringLiteral("path"), shown);
    if (shown.toUtf8() != path)
        object.insert(QStringLiteral("pathBase64"), QString::fromLatin1(path.toBase64()));
}

QByteArray jsonLine(const QJsonObject &object)
{
    const QByteArray json = QJsonDocument(object).toJson(QJsonDocument::Compact);
    if (isAscii(json)) // Qt escapes the control characters below 0x20
        return json;
    const QString text = QString::fromUtf8(json);
    QString safe;
    safe.reserve(text.size());
    for (qsizetype i = 0; i < text.size(); ++i) {
        const qsizetype units = text[i].isHighSurrogate() && i + 1 < text.size() ? 2 : 1;
        const QString character = text.sliced(i, units);
        i += units - 1;
        if (character[0].unicode() < 0x7f || printable(character) == character) {
            safe += character;
            continue;
        }
        for (const QChar unit : character)
            safe += QStringLiteral("\\u%1").arg(unit.unicode(), 4, 16, QLatin1Char('0'));
    }
    return safe.toUtf8();
}

} // namespace Sentinel
