// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyException.h"

#include <QJsonArray>

namespace Sentinel {

namespace {

//! What stands for any content and for any origin: they have to be said.
constexpr QLatin1StringView anyOne("*");
constexpr QLatin1StringView neverExpires("never");

QString exceptionTimeText(const QDateTime &time)
{
    return time.toUTC().toString(Qt::ISODate);
}

std::unexpected<QString> badMember(const char *name, const char *what)
{
    return std::unexpected(
        QStringLiteral("\"%1\" is %2").arg(QLatin1StringView(name), QLatin1StringView(what)));
}

QDateTime exceptionTimeOf(const QJsonValue &value)
{
    return QDateTime::fromString(value.toString(), Qt::ISODate).toUTC();
}

} // namespace

QJsonObject PolicyException::toJson() const
{
    return {
        {QStringLiteral("id"), id},
        {QStringLiteral("sha256"),
            QString::fromLatin1(sha256.isEmpty() ? QByteArray(anyOne.data()) : sha256.toHex())},
        {QStringLiteral("origin"), origin ? origin->toString() : QString(anyOne)},
        {QStringLiteral("rules"), QJsonArray::fromStringList(rules)},
        {QStringLiteral("unscanned"), allowsUnscanned},
        {QStringLiteral("who"), who},
        {QStringLiteral("why"), why},
        {QStringLiteral("made"), exceptionTimeText(made)},
        {QStringLiteral("expires"),
            expires.isValid() ? exceptionTimeText(expires) : QString(neverExpires)},
    };
}

std::expected<PolicyException, QString> PolicyException::fromJson(const QJsonObject &object)
{
    // What this version does not know may be what makes it narrow.
    const QJsonObject known = PolicyException().toJson();
    for (const QString &name : object.keys()) {
        if (!known.contains(name))
            return std::unexpected(QStringLiteral("\"%1\" is not known here").arg(name));
    }
    for (const QString &name : known.keys()) {
        if (object[name].type() != known[name].type())
            return std::unexpected(
                QStringLiteral("\"%1\" is missing or of another type").arg(name));
    }
    PolicyException exception;
    exception.id = object[QStringLiteral("id")].toString();
    if (exception.id.isEmpty())
        return badMember("id", "empty");
    if (const QString hash = object[QStringLiteral("sha256")].toString(); hash != anyOne) {
        exception.sha256 = QByteArray::fromHex(hash.toLatin1());
        if (exception.sha256.isEmpty() || exception.sha256.toHex() != hash.toLatin1())
            return badMember("sha256", "no hash");
    }
    if (const QString origin = object[QStringLiteral("origin")].toString(); origin != anyOne) {
        exception.origin = Origin::of(QUrl(origin, QUrl::StrictMode));
        if (exception.origin->toString() != origin)
            return badMember("origin", "no origin such as https://example.org");
    }
    for (const QJsonValue &rule : object[QStringLiteral("rules")].toArray())
        exception.rules.append(rule.toString());
    exception.allowsUnscanned = object[QStringLiteral("unscanned")].toBool();
    exception.who = object[QStringLiteral("who")].toString();
    exception.why = object[QStringLiteral("why")].toString();
    exception.made = exceptionTimeOf(object[QStringLiteral("made")]);
    if (const QJsonValue expires = object[QStringLiteral("expires")];
        expires.toString() != neverExpires) {
        exception.expires = exceptionTimeOf(expires);
        if (!exception.expires.isValid())
            return badMember("expires", "no time");
    }
    if (const auto wrong = exception.problem())
        return std::unexpected(*wrong);
    return exception;
}

} // namespace Sentinel
