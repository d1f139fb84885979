// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ProcessMark_p.h"

#include <QFile>
#include <QStringList>

#include <unistd.h>

namespace Sentinel {

namespace {

QByteArray firstLine(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readLine().trimmed() : QByteArray();
}

//! When the process began, in ticks since the machine did; empty if there is none.
QString beginning(const QString &process)
{
    // Its name, the second field, may hold anything: what follows begins behind the last ')'.
    const QByteArray status = firstLine(QStringLiteral("/proc/%1/stat").arg(process));
    constexpr int startField = 19; // of those behind the name: field 22 of all
    const QByteArrayList fields = status.mid(status.lastIndexOf(')') + 2).split(' ');
    return QString::fromLatin1(fields.value(startField));
}

QString machineStart()
{
    return QString::fromLatin1(firstLine(QStringLiteral("/proc/sys/kernel/random/boot_id")));
}

QString processSpace()
{
    return QFile::symLinkTarget(QStringLiteral("/proc/self/ns/pid")).section(u'/', -1);
}

} // namespace

QString processMark()
{
    const QString process = QString::number(::getpid());
    return QStringList{machineStart(), processSpace(), process, beginning(process)}.join(u' ');
}

bool mayBeAlive(const QString &mark)
{
    const QStringList parts = mark.split(u' ');
    if (parts.size() != 4 || parts[0] != machineStart())
        return false;
    return parts[1] != processSpace() || beginning(parts[2]) == parts[3];
}

} // namespace Sentinel
