// SPDX-License-Identifier: MIT
//
// https://systemd.io/JOURNAL_NATIVE_PROTOCOL; RFC 3164 as /dev/log takes it.
#include "SecurityTap/audit/SystemLog.h"

#include <QDateTime>
#include <QLocale>

#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr int securityFacility = 10; // authpriv

QByteArray journalFields(const SystemLogLine &line)
{
    return "PRIORITY=" + QByteArray::number(int(line.weight)) + "\nSYSLOG_FACILITY="
        + QByteArray::number(securityFacility) + "\nSYSLOG_IDENTIFIER=sentinel\nMESSAGE="
        + line.text + "\nSENTINEL_EVENT=" + line.json + '\n';
}

//! With the mark by which readers of structured logs know that JSON follows.
QByteArray syslogText(const SystemLogLine &line)
{
    const QDateTime now = QDateTime::currentDateTime();
    const QString month = QLocale::c().toString(now, QStringLiteral("MMM"));
    const QString when = QStringLiteral("%1 %2 %3")
                             .arg(month)
                             .arg(now.date().day(), 2)
                             .arg(now.toString(QStringLiteral("HH:mm:ss")));
    return '<' + QByteArray::number(securityFacility * 8 + int(line.weight)) + '>' + when.toLatin1()
        + " sentinel[" + QByteArray::number(::getpid()) + "]: @cee: " + line.json;
}

} // namespace

SystemLog::SystemLog(Places places)
    : m_places(std::move(places))
    , m_socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))
{
}

bool SystemLog::send(const SystemLogLine &line)
{
    return sendTo(m_places.journal, journalFields(line))
        || sendTo(m_places.syslog, syslogText(line));
}

bool SystemLog::sendTo(const QByteArray &path, const QByteArray &datagram) const
{
    sockaddr_un address{};
    if (path.size() >= qsizetype(sizeof address.sun_path))
        return false;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.constData(), size_t(path.size()));
    return ::sendto(m_socket.get(), datagram.constData(), size_t(datagram.size()), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr *>(&address), sizeof address)
        == datagram.size();
}

} // namespace Sentinel
