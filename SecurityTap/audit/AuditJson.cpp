// SPDX-License-Identifier: MIT
//
// The names are those of the Elastic Common Schema 8.11, field reference.
#include "SecurityTap/Limits.h"
#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/audit/AuditText.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/inspection/Origin.h"
#include "SecurityTap/store/KeptAddress.h"

#include <QDateTime>
#include <QJsonArray>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;
using std::chrono::milliseconds;

//! How an action stands in the schema's categories.
struct ActionPlace {
    QStringList categories;
    QStringList types; //!< for each category one that the schema expects in it
};

ActionPlace placeOf(const AuditEvent &event)
{
    static const QString file = u"file"_s;
    static const QString intrusion = u"intrusion_detection"_s;
    static const QString configuration = u"configuration"_s;
    static const QString info = u"info"_s;
    switch (event.action) {
    case AuditAction::Decision:
        if (event.disposition == Disposition::Release)
            return {{file, intrusion}, {u"allowed"_s, info}};
        if (event.disposition == Disposition::Warn || !event.disposition)
            return {{file, intrusion}, {info}};
        return {{file, intrusion}, {u"denied"_s, info}};
    case AuditAction::UnscannedRelease:
        return {{file, intrusion}, {u"allowed"_s, info}};
    case AuditAction::RateLimit:
        return {{intrusion}, {u"denied"_s}};
    case AuditAction::ThreatFound:
    case AuditAction::LateThreat:
        return {{u"malware"_s, file}, {info}};
    case AuditAction::PathTraversal:
    case AuditAction::MimeMismatch:
    case AuditAction::DeceptiveName:
    case AuditAction::SizeViolation:
        return {{intrusion, file}, {info}};
    case AuditAction::QuarantineAdd:
    case AuditAction::QuarantineRestore:
        return {{file}, {u"creation"_s}};
    case AuditAction::QuarantineDelete:
    case AuditAction::QuarantinePurge:
        return {{file}, {u"deletion"_s}};
    case AuditAction::ExceptionAdd:
        return {{configuration}, {u"creation"_s}};
    case AuditAction::ExceptionRemove:
        return {{configuration}, {u"deletion"_s}};
    case AuditAction::RulesChanged:
        return {{configuration}, {u"change"_s}};
    case AuditAction::JobRun:
        return {{configuration}, {info}};
    }
    Q_UNREACHABLE();
}

//! An object in the making, without what is empty; remembers what had to be cut.
class AuditObject {
public:
    AuditObject(QString name, QStringList &cut) : m_name(std::move(name)), m_cut(cut) { }

    void add(const char *key, const QJsonValue &value)
    {
        m_object.insert(QLatin1StringView(key), value);
    }
    void addText(
        const char *key, const QString &text, qsizetype maxBytes = Limits::maxAuditWordBytes)
    {
        if (text.isEmpty())
            return;
        const FittingText fitting = fittingText(text, maxBytes);
        const QString name = m_name + u'.' + QLatin1StringView(key);
        if (fitting.isCut && !m_cut.contains(name))
            m_cut.append(name);
        add(key, fitting.text);
    }
    void addHex(const char *key, const QByteArray &bytes)
    {
        if (!bytes.isEmpty())
            addText(key, QString::fromLatin1(bytes.left(Limits::maxAuditWordBytes / 2).toHex()));
    }
    void addNumber(const char *key, std::optional<qint64> number)
    {
        if (number)
            add(key, *number);
    }
    void addCount(const char *key, quint64 count)
    {
        if (count != 0)
            add(key, qint64(count));
    }

    const QJsonObject &object() const { return m_object; }
    void into(QJsonObject &all) const
    {
        if (!m_object.isEmpty())
            all.insert(m_name, m_object);
    }

private:
    const QString m_name;
    QStringList &m_cut;
    QJsonObject m_object;
};

//! \p url without what may be a secret: user, password, query, fragment; "data:" alone of content.
QString withoutSecrets(const QUrl &url)
{
    if (!url.host().isEmpty() || url.isLocalFile()) {
        return url.toString(QUrl::FullyEncoded | unkeptAddressParts);
    }
    const QString origin = Origin::of(url).toString();
    const QString scheme = url.scheme() + u':';
    return origin == scheme ? scheme : scheme + origin; // "blob:https://example.org"
}

//! For people, if nothing was said: "Malicious: EICAR_Test_File (eicar.yar)".
QString textOf(const AuditEvent &event)
{
    if (!event.verdict)
        return nameOf(event.action);
    QStringList parts;
    if (*event.verdict == Verdict::NotScanned)
        parts.append(explanation(event.reason));
    for (size_t i = 0; i < event.findings.size() && i < Limits::maxAuditFindings; ++i) {
        Finding finding = event.findings[i];
        finding.member.clear();
        parts.append(displayName(finding));
    }
    return parts.isEmpty() ? nameOf(*event.verdict)
                           : u"%1: %2"_s.arg(nameOf(*event.verdict), parts.join(u"; "_s));
}

void addEvent(const AuditEvent &event, QStringList &cut, QJsonObject &all)
{
    const bool isPrivate = event.privacy == Download::Privacy::Private;
    const ActionPlace place = placeOf(event);
    AuditObject object(u"event"_s, cut);
    object.add("kind", event.kind() == AuditEvent::Kind::Alert ? u"alert"_s : u"event"_s);
    object.add("category", QJsonArray::fromStringList(place.categories));
    object.add("type", QJsonArray::fromStringList(place.types));
    object.add("action", nameOf(event.action));
    object.add(
        "outcome", event.success == AuditEvent::Success::Failed ? u"failure"_s : u"success"_s);
    object.add("severity", event.severity());
    object.add("provider", u"sentinel"_s);
    object.addText("reason", isPrivate || event.text.isEmpty() ? textOf(event) : event.text,
        Limits::maxAuditTextBytes);
    object.into(all);
}

void addPlaces(const AuditEvent &event, QStringList &cut, QJsonObject &all)
{
    if (event.privacy == Download::Privacy::Private)
        return;
    if (!event.url.isEmpty()) {
        const Origin origin = Origin::of(event.url);
        AuditObject object(u"url"_s, cut);
        object.addText("full", withoutSecrets(event.url), Limits::maxAuditUrlBytes);
        object.addText("scheme", event.url.scheme());
        object.addText("domain", origin.host);
        if (origin.port >= 0)
            object.add("port", origin.port);
        object.into(all);
    }
    if (!event.referrer.isEmpty()) {
        AuditObject request(u"http.request"_s, cut);
        request.addText("referrer", withoutSecrets(event.referrer), Limits::maxAuditUrlBytes);
        all.insert(u"http"_s, QJsonObject{{u"request"_s, request.object()}});
    }
}

void addFile(const AuditEvent &event, QStringList &cut, QJsonObject &all)
{
    AuditObject object(u"file"_s, cut);
    if (event.privacy != Download::Privacy::Private) {
        object.addText("name", event.name, Limits::maxAuditTextBytes);
        object.addText("path", event.path, Limits::maxAuditPathBytes);
    }
    object.addNumber("size", event.sizeBytes);
    object.addText("mime_type", event.mimeType);
    if (event.fileType)
        object.add("type", nameOf(*event.fileType));
    AuditObject hash(u"file.hash"_s, cut);
    hash.addHex("sha256", event.sha256);
    if (!hash.object().isEmpty())
        object.add("hash", hash.object());
    object.into(all);
}

QJsonArray findingsOf(const AuditEvent &event, QStringList &cut)
{
    QJsonArray array;
    for (const Finding &finding : event.findings) {
        if (array.size() == Limits::maxAuditFindings)
            break;
        AuditObject object(u"sentinel.findings"_s, cut);
        object.addText("rule", finding.rule);
        object.addText("ruleset", finding.ruleNamespace);
        object.addText("engine", finding.engine);
        object.add("severity", nameOf(finding.severity));
        if (event.privacy != Download::Privacy::Private)
            object.addText("member", finding.member);
        array.append(object.object());
    }
    return array;
}

} // namespace

QJsonObject AuditEvent::toJson() const
{
    QJsonObject all;
    QStringList cut;
    const auto since = std::chrono::duration_cast<milliseconds>(when.time_since_epoch());
    all.insert(u"@timestamp"_s,
        QDateTime::fromMSecsSinceEpoch(since.count(), Qt::UTC).toString(Qt::ISODateWithMs));
    all.insert(u"ecs"_s, QJsonObject{{u"version"_s, u"8.11.0"_s}});
    addEvent(*this, cut, all);
    addPlaces(*this, cut, all);
    addFile(*this, cut, all);

    AuditObject own(u"sentinel"_s, cut);
    if (const QJsonArray array = findingsOf(*this, cut); !array.isEmpty()) {
        own.add("findings", array);
        AuditObject rule(u"rule"_s, cut);
        rule.addText("name", findings.front().rule);
        rule.addText("ruleset", findings.front().ruleNamespace);
        rule.into(all);
    }
    const auto beyond = qsizetype(findings.size()) - Limits::maxAuditFindings;
    own.addCount("findings_omitted",
        quint64(qMax(findingsOmitted, 0)) + quint64(qMax<qsizetype>(beyond, 0)));
    if (verdict)
        own.add("verdict", nameOf(*verdict));
    if (verdict == Verdict::NotScanned)
        own.add("reason", nameOf(reason));
    if (disposition)
        own.add("disposition", nameOf(*disposition));
    own.addText("clause", clause, Limits::maxAuditTextBytes);
    own.addHex("rules_digest", rulesDigest);
    if (duration)
        own.add("duration_us", qint64(duration->count()));
    own.addNumber("announced_size", announcedBytes);
    own.addCount("inspection", inspection);
    own.addCount("connection", connection);
    own.addText("item", item);
    own.addText("exception", exception);
    own.addText("job", job);
    if (privacy == Download::Privacy::Private)
        own.add("private", true);
    if (!cut.isEmpty())
        own.add("cut", QJsonArray::fromStringList(cut));
    own.into(all);
    return all;
}

} // namespace Sentinel
