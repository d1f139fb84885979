// SPDX-License-Identifier: MIT
#include "Sentinel/SignalWatch.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace Sentinel {

namespace {

volatile std::sig_atomic_t wakeDescriptor = -1;

void onSignal(int)
{
    const int error = errno;
    const char byte = 0;
    [[maybe_unused]] const ssize_t written = ::write(wakeDescriptor, &byte, 1);
    errno = error;
}

} // namespace

SignalWatch::SignalWatch()
{
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return; // the signals then end the process, which leaves nothing behind either
    m_reader = FileDescriptor(ends[0]);
    m_writer = FileDescriptor(ends[1]);
    wakeDescriptor = ends[1];
    m_notifier = std::make_unique<QSocketNotifier>(ends[0], QSocketNotifier::Read);
    connect(m_notifier.get(), &QSocketNotifier::activated, this, [this] {
        m_notifier->setEnabled(false);
        Q_EMIT interrupted();
    });
    struct sigaction action { };
    action.sa_handler = &onSignal;
    action.sa_flags = SA_RESTART | int(SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

SignalWatch::~SignalWatch()
{
    struct sigaction action { };
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    wakeDescriptor = -1;
}

} // namespace Sentinel
