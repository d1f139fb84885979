// SPDX-License-Identifier: MIT
#include "tests/support/AuditBench.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileType.h"
#include "tests/support/CliRun.h"

#include <QDateTime>
#include <QJsonArray>
#include <QRegularExpression>

#include <map>

namespace Sentinel::Test {

AuditSettings smallFiles(const QString &directory)
{
    AuditSettings settings;
    settings.directory = directory;
    settings.maxFileBytes = Limits::leastAuditFileBytes;
    return settings;
}

std::unique_ptr<AuditLog> openedLog(const AuditSettings &settings)
{
    auto log = AuditLog::open(settings);
    if (!log)
        qFatal("no audit log: %s", qPrintable(log.error()));
    return std::move(*log);
}

AuditEvent eventCalled(const QString &item)
{
    AuditEvent event = AuditEvent::of(AuditAction::QuarantineAdd, "because"_L);
    event.item = item;
    return event;
}

AuditEvent fullEvent(AuditAction action)
{
    Download download;
    download.metadata.url = QUrl("https://user:password@example.org:8443/d/setup.exe?t=1#x"_L);
    download.metadata.filename = "setup.exe"_L;
    download.metadata.mimeType = "application/zip"_L;
    download.metadata.sizeBytes = 77;
    download.referrer = QUrl("https://example.net/page?q=2"_L);

    Finding odd;
    odd.engine = "yara"_L;
    odd.rule = "Odd"_L;
    odd.ruleNamespace = "odd.yar"_L;
    odd.severity = Severity::Suspicious;
    Finding bad = odd;
    bad.rule = "Bad"_L;
    bad.ruleNamespace = "bad.yar"_L;
    bad.member = "a.zip!b.exe"_L;
    bad.severity = Severity::Malicious;
    Coverage coverage;
    coverage.ruleSetDigest = QByteArray(32, '\xdd');

    Outcome outcome{.inspection = 42,
        .connection = 7,
        .metadata = {},
        .result = ScanResult::judge(coverage, {odd, bad}, QByteArray(32, '\xaa'))};
    outcome.disposition = Disposition::Quarantine;
    outcome.sizeBytes = 5'000'000'000;
    outcome.sinceLastByte = std::chrono::microseconds(1234);

    AuditEvent event =
        AuditEvent::decision(download, outcome, FileType::Archive, "verdict Malicious"_L);
    event.action = action;
    event.when = std::chrono::system_clock::time_point(std::chrono::milliseconds(
        QDateTime::fromString("2026-01-31T12:34:56.789Z"_L, Qt::ISODateWithMs)
            .toMSecsSinceEpoch()));
    event.path = "/home/somebody/setup.exe"_L;
    event.item = "item-1"_L;
    event.exception = "exception-1"_L;
    event.job = "purge"_L;
    return event;
}

std::vector<AuditLine> linesOf(const QString &directory)
{
    auto reader = AuditReader::open(directory);
    if (!reader)
        qFatal("no audit log: %s", qPrintable(reader.error()));
    std::vector<AuditLine> lines;
    while (auto line = reader->next())
        lines.push_back(std::move(*line));
    if (auto line = reader->rest())
        lines.push_back(std::move(*line));
    return lines;
}

QString itemOf(const AuditLine &line)
{
    return line.event ? (*line.event)["sentinel"_L]["item"_L].toString() : QString();
}

namespace {

//! A field, and the values that it may have.
struct SchemaField {
    enum class Need : quint8 { Always, Sometimes };
    QJsonValue::Type type = QJsonValue::String;
    const char *form = ".+"; // of texts
    Need need = Need::Sometimes;
};

constexpr char hexDigest[] = "[0-9a-f]{64}|[0-9a-f]{100,}…?|[0-9a-f]+…";
constexpr char uuidForm[] = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
constexpr auto always = SchemaField::Need::Always;
constexpr auto isNumber = QJsonValue::Double;
constexpr auto isList = QJsonValue::Array;

const std::map<QString, SchemaField> &schemaFields()
{
    static const std::map<QString, SchemaField> fields{
        {"@timestamp"_L,
            {QJsonValue::String, "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z", always}},
        {"ecs.version"_L, {QJsonValue::String, "8\\.11\\.0", always}},
        {"event.kind"_L, {QJsonValue::String, "event|alert", always}},
        {"event.category"_L, {isList, "file|malware|intrusion_detection|configuration", always}},
        {"event.type"_L, {isList, "info|allowed|denied|creation|deletion|change", always}},
        {"event.action"_L, {QJsonValue::String, "[a-z]+(-[a-z]+)?", always}},
        {"event.outcome"_L, {QJsonValue::String, "success|failure", always}},
        {"event.severity"_L, {isNumber, "", always}},
        {"event.reason"_L, {QJsonValue::String, ".+", always}},
        {"event.provider"_L, {QJsonValue::String, "sentinel", always}},
        {"event.id"_L, {QJsonValue::String, uuidForm, always}},
        {"event.sequence"_L, {isNumber, "", always}},
        {"process.pid"_L, {isNumber, "", always}},
        {"process.entity_id"_L, {QJsonValue::String, uuidForm, always}},
        {"process.executable"_L, {QJsonValue::String, "/.+", always}},
        {"user.id"_L, {QJsonValue::String, "\\d+", always}},
        {"url.full"_L, {QJsonValue::String, "[a-z]+:[^?#@]*"}},
        {"url.scheme"_L, {}},
        {"url.domain"_L, {}},
        {"url.port"_L, {isNumber}},
        {"http.request.referrer"_L, {QJsonValue::String, "[a-z]+:[^?#@]*"}},
        {"file.name"_L, {}},
        {"file.path"_L, {}},
        {"file.size"_L, {isNumber}},
        {"file.mime_type"_L, {}},
        {"file.type"_L, {QJsonValue::String, "unknown|executable|archive"}},
        {"file.hash.sha256"_L, {QJsonValue::String, hexDigest}},
        {"rule.name"_L, {}},
        {"rule.ruleset"_L, {}},
        {"sentinel.verdict"_L, {QJsonValue::String, "Clean|Suspicious|Malicious|NotScanned"}},
        {"sentinel.reason"_L, {QJsonValue::String, "[A-Za-z]+"}},
        {"sentinel.disposition"_L, {QJsonValue::String, "Release|Block|Quarantine|Warn"}},
        {"sentinel.clause"_L, {}},
        {"sentinel.findings"_L, {isList}},
        {"sentinel.findings_omitted"_L, {isNumber}},
        {"sentinel.rules_digest"_L, {QJsonValue::String, hexDigest}},
        {"sentinel.duration_us"_L, {isNumber}},
        {"sentinel.announced_size"_L, {isNumber}},
        {"sentinel.inspection"_L, {isNumber}},
        {"sentinel.connection"_L, {isNumber}},
        {"sentinel.item"_L, {}},
        {"sentinel.exception"_L, {}},
        {"sentinel.job"_L, {}},
        {"sentinel.dropped"_L, {isNumber}},
        {"sentinel.private"_L, {QJsonValue::Bool}},
        {"sentinel.cut"_L, {isList, "[a-z_.]+"}},
    };
    return fields;
}

bool hasForm(const QString &text, const char *form)
{
    return QRegularExpression(QRegularExpression::anchoredPattern(QString::fromUtf8(form)),
        QRegularExpression::DotMatchesEverythingOption)
        .match(text)
        .hasMatch();
}

//! The values of \p object by their whole names.
void flatten(const QString &prefix, const QJsonObject &object, std::map<QString, QJsonValue> &into)
{
    for (auto at = object.begin(); at != object.end(); ++at) {
        if (at.value().isObject())
            flatten(prefix + at.key() + u'.', at.value().toObject(), into);
        else
            into[prefix + at.key()] = at.value();
    }
}

QString fieldProblemOf(const QString &name, const QJsonValue &value)
{
    const auto found = schemaFields().find(name);
    if (found == schemaFields().end())
        return "there is no field %1"_L.arg(name);
    const SchemaField &field = found->second;
    if (value.type() != field.type)
        return "%1 has a wrong type"_L.arg(name);
    if (value.isString() && !hasForm(value.toString(), field.form))
        return "%1 must not be %2"_L.arg(name, value.toString().left(200));
    if (value.isDouble() && value.toDouble() < 0)
        return "%1 is negative"_L.arg(name);
    if (!value.isArray())
        return {};
    if (value.toArray().isEmpty())
        return "%1 is empty"_L.arg(name);
    for (const QJsonValue &one : value.toArray()) {
        if (one.isString() && !hasForm(one.toString(), field.form))
            return "%1 must not have %2"_L.arg(name, one.toString());
        const QStringList known{"rule"_L, "ruleset"_L, "engine"_L, "severity"_L, "member"_L};
        for (const QString &key : one.toObject().keys()) {
            if (!known.contains(key) || !one[key].isString())
                return "%1.%2"_L.arg(name, key);
        }
    }
    return {};
}

//! Types that the schema expects in a category.
const std::map<QString, QStringList> &expectedTypes()
{
    static const std::map<QString, QStringList> types{
        {"file"_L, {"access"_L, "change"_L, "creation"_L, "deletion"_L, "info"_L}},
        {"malware"_L, {"info"_L}},
        {"intrusion_detection"_L, {"allowed"_L, "denied"_L, "info"_L}},
        {"configuration"_L, {"access"_L, "change"_L, "creation"_L, "deletion"_L, "info"_L}},
    };
    return types;
}

} // namespace

QString schemaProblemOf(const QJsonObject &all)
{
    std::map<QString, QJsonValue> values;
    flatten({}, all, values);
    for (const auto &[name, value] : values) {
        if (const QString problem = fieldProblemOf(name, value); !problem.isEmpty())
            return problem;
    }
    for (const auto &[name, field] : schemaFields()) {
        if (field.need == always && !values.contains(name))
            return "%1 is missing"_L.arg(name);
    }
    if (!auditActionNamed(values["event.action"_L].toString()))
        return "no such action"_L;
    // Each type has a category that expects it, and each category a type.
    const QJsonArray categories = values["event.category"_L].toArray();
    const QJsonArray types = values["event.type"_L].toArray();
    for (const QJsonValue &type : types) {
        bool isExpected = false;
        for (const QJsonValue &category : categories)
            isExpected |= expectedTypes().at(category.toString()).contains(type.toString());
        if (!isExpected)
            return "type %1 goes with no category"_L.arg(type.toString());
    }
    for (const QJsonValue &category : categories) {
        bool isExpected = false;
        for (const QJsonValue &type : types)
            isExpected |= expectedTypes().at(category.toString()).contains(type.toString());
        if (!isExpected)
            return "category %1 has no type"_L.arg(category.toString());
    }
    return {};
}

} // namespace Sentinel::Test
