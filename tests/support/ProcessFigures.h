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

//! A field of /proc/<pid>/status that is said in kB ("VmRSS"), in bytes; 0 if there is no such
//! process, or none that has memory.
inline qint64 statusBytes(pid_t process, const QByteArray &field)
{
    QFile status(QStringLiteral("/proc/%1/status").arg(process));
    if (!status.open(QIODevice::ReadOnly))
        return 0;
    const QByteArray text = status.readAll();
    const qsizetype at = text.indexOf('\n' + field + ':');
    if (at < 0)
        return 0;
    const QByteArray line = text.mid(at + field.size() + 2);
    return 1024 * line.left(line.indexOf("kB")).trimmed().toLongLong();
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
        m_before = statusBytes(::getpid(), "VmRSS");
    }
    qint64 grownBytes() const { return statusBytes(::getpid(), "VmHWM") - m_before; }

private:
    qint64 m_before = 0;
};

} // namespace Sentinel::Test
