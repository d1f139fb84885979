// SPDX-License-Identifier: MIT
#include "Sentinel/broker/ServiceNotify.h"

#include <systemd/sd-daemon.h>

#include <vector>

#include <sys/socket.h>

namespace Sentinel {

namespace {

enum class Environment { Keep, Unset };

void notify(const QString &state)
{
    ::sd_notify(0, state.toUtf8().constData());
}

} // namespace

std::expected<std::optional<FileDescriptor>, QString> ServiceNotify::inheritedListener()
{
    const int count = ::sd_listen_fds(int(Environment::Unset));
    if (count < 0) {
        return std::unexpected(QStringLiteral("the sockets passed by systemd cannot be taken over "
                                              "(LISTEN_FDS): %1")
                                   .arg(qt_error_string(-count)));
    }
    std::vector<FileDescriptor> passed; // owned, so that an error leaves none behind
    for (int i = 0; i < count; ++i)
        passed.emplace_back(SD_LISTEN_FDS_START + i);
    if (passed.empty())
        return std::nullopt;
    if (passed.size() > 1) {
        return std::unexpected(
            QStringLiteral("systemd has passed %1 sockets where one is wanted: leave one Listen "
                           "line in the socket unit")
                .arg(count));
    }
    if (::sd_is_socket(passed.front().get(), AF_UNIX, SOCK_SEQPACKET, 1) <= 0) {
        return std::unexpected(
            QStringLiteral("what systemd has passed is no listening SEQPACKET socket: name it with "
                           "ListenSequentialPacket= in the socket unit, with Accept=no"));
    }
    return std::move(passed.front());
}

void ServiceNotify::ready(const QString &status)
{
    QString line = status; // what follows a line feed would be a message of its own
    line.replace(u'\n', u' ');
    notify(QStringLiteral("READY=1\nSTATUS=%1").arg(line));
}

void ServiceNotify::reloading()
{
    notify(QStringLiteral("RELOADING=1"));
}

void ServiceNotify::stopping()
{
    notify(QStringLiteral("STOPPING=1"));
}

std::chrono::microseconds ServiceNotify::watchdogInterval() const
{
    uint64_t interval = 0;
    return ::sd_watchdog_enabled(int(Environment::Keep), &interval) > 0
        ? std::chrono::microseconds(interval)
        : std::chrono::microseconds::zero();
}

void ServiceNotify::keepAlive()
{
    notify(QStringLiteral("WATCHDOG=1"));
}

} // namespace Sentinel
