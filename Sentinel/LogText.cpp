// SPDX-License-Identifier: MIT
#include "Sentinel/LogText.h"

#include "SecurityTap/content/FileName.h"

#include <QDateTime>
#include <QStringList>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;

constexpr qsizetype longestAction = 17; // "quarantine-restore" sticks out by one

//! What the event is about: the first of these that is there.
QString subjectOf(const QJsonObject &event)
{
    const QJsonObject file = event[u"file"].toObject();
    const QJsonObject own = event[u"sentinel"].toObject();
    const QString domain = event[u"url"][u"domain"].toString();
    const QString name = file[u"name"].toString();
    if (!name.isEmpty())
        return domain.isEmpty() ? name : u"%1 from %2"_s.arg(name, domain);
    for (const QString &text : {file[u"path"].toString(), event[u"url"][u"full"].toString(),
             own[u"item"].toString(), own[u"exception"].toString(), own[u"job"].toString()}) {
        if (!text.isEmpty())
            return text;
    }
    return own[u"private"].toBool() ? u"(private)"_s : QString();
}

QString localTime(const QString &timestamp)
{
    const QDateTime when = QDateTime::fromString(timestamp, Qt::ISODateWithMs);
    return when.isValid() ? when.toLocalTime().toString(u"yyyy-MM-dd HH:mm:ss"_s) : timestamp;
}

} // namespace

QString auditLineFor(const QJsonObject &event)
{
    const QJsonObject about = event[u"event"].toObject();
    const QJsonObject own = event[u"sentinel"].toObject();
    const QString verdict = own[u"verdict"].toString();
    const QString disposition = own[u"disposition"].toString();
    QString why = about[u"reason"].toString();
    if (!verdict.isEmpty() && (why == verdict || why.startsWith(verdict + u": "_s)))
        why = why.sliced(verdict.size()).mid(2);
    const QString action = about[u"action"].toString();

    QStringList parts{localTime(event[u"@timestamp"].toString()),
        action.leftJustified(longestAction), subjectOf(event),
        disposition.isEmpty() ? verdict : u"%1 -> %2"_s.arg(verdict, disposition),
        why == action ? QString() : why};
    if (about[u"outcome"].toString() == u"failure")
        parts.insert(2, u"FAILED"_s);
    if (const auto dropped = own[u"dropped"].toInteger(); dropped > 0)
        parts.append(u"(before it %1 were lost)"_s.arg(dropped));
    parts.removeAll(QString());
    return printable(parts.join(u"  "_s)).trimmed();
}

} // namespace Sentinel
