// SPDX-License-Identifier: MIT
#pragma once

#include <QDir>
#include <QFile>

#include <chrono>

#include <time.h>
#include <unistd.h>

//! What the kernel says of this process: for tests of leaks and of idleness.
namespace Sentinel::Test {

inline int entriesIn(const QString &directory)
{
    return static_cast<int>(
        QDir(directory).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot).size());
}

inline int threadCount()
{
    return entriesIn(QStringLiteral("/proc/self/task"));
}

inline int descriptorCount()
{
    return entriesIn(QStringLiteral("/proc/self/fd"));
}

//! True if the thread \p id of this process waits in the kernel, for a lock or a condition.
inline bool isAsleep(pid_t id)
{
    QFile stat(QStringLiteral("/proc/self/task/%1/stat").arg(id));
    if (!stat.open(QIODevice::ReadOnly))
        return false;
    const QByteArray line = stat.readAll();
    return line.mid(line.lastIndexOf(')') + 2, 1) == "S";
}

//! The time that all threads of this process together have computed.
inline std::chrono::nanoseconds processCpuTime()
{
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

//! \brief How far the memory of this process grows in the meantime.
class PeakMemory {
public:
    PeakMemory()
    {
        QFile reset(QStringLiteral("/proc/self/clear_refs"));
        if (!reset.open(QIODevice::WriteOnly) || reset.write("5") != 1)
            qFatal("the peak of the memory cannot be reset");
        reset.close();
        m_before = statusBytes("VmRSS:");
    }
    qint64 grownBytes() const { return statusBytes("VmHWM:") - m_before; }

private:
    static qint64 statusBytes(const QByteArray &field)
    {
        QFile status(QStringLiteral("/proc/self/status"));
        if (!status.open(QIODevice::ReadOnly))
            qFatal("no /proc/self/status");
        const QByteArray text = status.readAll();
        const QByteArray line = text.mid(text.indexOf(field) + field.size());
        return 1024 * line.left(line.indexOf("kB")).trimmed().toLongLong();
    }

    qint64 m_before = 0;
};

} // namespace Sentinel::Test
