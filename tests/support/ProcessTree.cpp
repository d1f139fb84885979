// SPDX-License-Identifier: MIT
#include "tests/support/ProcessTree.h"

#include <QDir>
#include <QFile>

#include <algorithm>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Sentinel::Test {

namespace {

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

//! What follows the program's name; empty for the dead.
QByteArray commandOf(pid_t process)
{
    return contentOf(QStringLiteral("/proc/%1/cmdline").arg(process)).split('\0').value(1);
}

bool isAlive(pid_t process)
{
    return !contentOf(QStringLiteral("/proc/%1/cmdline").arg(process)).isEmpty();
}

} // namespace

void adoptOrphans()
{
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        qFatal("orphans cannot be adopted");
}

std::vector<pid_t> childrenOf(pid_t process)
{
    std::vector<pid_t> children;
    const QString tasks = QStringLiteral("/proc/%1/task").arg(process);
    for (const QString &task : QDir(tasks).entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
        const QByteArray line = contentOf(QStringLiteral("%1/%2/children").arg(tasks, task));
        for (const QByteArray &pid : line.simplified().split(' ')) {
            if (!pid.isEmpty())
                children.push_back(pid.toInt());
        }
    }
    return children;
}

std::vector<pid_t> childrenNamed(pid_t parent, const QByteArray &command)
{
    std::vector<pid_t> children = childrenOf(parent);
    std::erase_if(children, [&](pid_t child) { return commandOf(child) != command; });
    return children;
}

std::vector<pid_t> livingBelow(pid_t process)
{
    std::vector<pid_t> living;
    for (const pid_t child : childrenOf(process)) {
        if (isAlive(child))
            living.push_back(child);
        std::ranges::copy(livingBelow(child), std::back_inserter(living));
    }
    return living;
}

bool areAllChildrenGone()
{
    while (::waitpid(-1, nullptr, WNOHANG) > 0) { }
    return childrenOf(::getpid()).empty();
}

} // namespace Sentinel::Test
