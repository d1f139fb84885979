// SPDX-License-Identifier: MIT
#include "tests/support/FakeClamd.h"

#include "Sentinel/Limits.h"
#include "ipc/SocketMessage.h"
#include "tests/support/RawPeer.h"

#include <QFile>
#include <QtEndian>

#include <algorithm>
#include <array>
#include <deque>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel::Test {

struct FakeClamd::Guest {
    FileDescriptor socket;
    QByteArray input;
    std::deque<FileDescriptor> passed;
    quint32 id = 0;
    bool isStreaming = false;
    bool isEndless = false;
    bool isFileDue = false; // FILDES has come, its descriptor has not
    std::deque<std::pair<Clock::time_point, Saying>> sayings;
};

FakeClamd::FakeClamd(Script script, Manners manners, Candour candour)
    : m_script(std::move(script))
    , m_manners(std::move(manners))
    , m_candour(candour)
    , m_listener(listeningSocket(QFile::encodeName(address()), SOCK_STREAM))
    , m_wake(::eventfd(0, EFD_CLOEXEC))
    , m_thread([this] { run(); })
{
}

FakeClamd::~FakeClamd()
{
    m_isStopping = true;
    ::eventfd_write(m_wake.get(), 1);
    m_thread.join();
}

void FakeClamd::restart(Candour candour)
{
    m_candour = candour;
    m_restartsDue = 1;
    ::eventfd_write(m_wake.get(), 1);
    m_restartsDue.wait(1);
}

FakeClamd::Saying FakeClamd::decent(quint32 id, const QByteArray &command)
{
    if (command == "INSTREAM")
        return {};
    const QByteArray words =
        command == "PING" ? "PONG" : "ClamAV 1.4.6/27000/Fri Nov 20 08:21:44 2026";
    return {QByteArray::number(id) + ": " + words + '\0'};
}

void FakeClamd::run()
{
    while (true) {
        std::vector<pollfd> entries{{m_wake.get(), POLLIN, 0}, {m_listener.get(), POLLIN, 0}};
        bool isHurried = false;
        for (const auto &guest : m_guests) {
            entries.push_back(
                {guest->socket.get(), short(guest->isEndless ? POLLIN | POLLOUT : POLLIN), 0});
            isHurried |= !guest->sayings.empty();
        }
        ::poll(entries.data(), nfds_t(entries.size()), isHurried ? 1 : -1);
        if (m_isStopping)
            return;
        if (entries[0].revents != 0) {
            eventfd_t times = 0;
            ::eventfd_read(m_wake.get(), &times);
            m_guests.clear();
            m_restartsDue = 0;
            m_restartsDue.notify_all();
            continue;
        }
        const size_t known = m_guests.size();
        for (size_t i = 0; i < known; ++i) {
            if (!serve(*m_guests[i], entries[i + 2].revents))
                m_guests[i].reset();
        }
        std::erase(m_guests, nullptr);
        if (entries[1].revents != 0) {
            auto guest = std::make_unique<Guest>();
            guest->socket =
                FileDescriptor(::accept4(m_listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (guest->socket.isValid()) {
                ++m_connections;
                m_guests.push_back(std::move(guest));
            }
        }
    }
}

//! False: the guest has gone, or has to.
bool FakeClamd::serve(Guest &guest, short events)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        std::array<char, 64 * 1024> buffer;
        auto received = SocketMessage::receive(guest.socket.get(), buffer, MSG_DONTWAIT);
        if (received.size <= 0)
            return false;
        guest.input.append(buffer.data(), received.size);
        std::ranges::move(received.descriptors, std::back_inserter(guest.passed));
        understand(guest);
    }
    return speak(guest);
}

void FakeClamd::understand(Guest &guest)
{
    while (true) {
        if (guest.isStreaming && !understandStream(guest))
            return;
        if (guest.isFileDue) {
            if (guest.input.isEmpty())
                return;
            guest.input.remove(0, 1);
            guest.isFileDue = false;
            struct stat status { };
            const bool isProbe = !guest.passed.empty()
                && ::fstat(guest.passed.front().get(), &status) == 0
                && status.st_size == Limits::clamdLimitProbeBytes;
            guest.passed.clear();
            if (isProbe) {
                ++m_probes;
                const QByteArray words = m_candour == Candour::Silent
                    ? "OK"
                    : "Heuristics.Limits.Exceeded.MaxFileSize FOUND";
                say(guest,
                    {QByteArray::number(guest.id) + ": fd[7]: " + words + '\0',
                        m_candour == Candour::Curt ? Then::Close : Then::Wait});
            } else {
                ++m_questions;
                say(guest, m_script(guest.id, ClamdWay::File));
            }
        }
        const qsizetype end = guest.input.indexOf('\0');
        if (end < 0)
            return;
        const QByteArray command = guest.input.first(end);
        guest.input.remove(0, end + 1);
        if (command == "zIDSESSION")
            continue;
        ++guest.id;
        guest.isFileDue = command == "zFILDES";
        guest.isStreaming = command == "zINSTREAM";
        if (!guest.isFileDue)
            say(guest, m_manners(guest.id, command.sliced(1)));
    }
}

//! False: its end has not come.
bool FakeClamd::understandStream(Guest &guest)
{
    while (guest.input.size() >= qsizetype(sizeof(quint32))) {
        const qsizetype size = qFromBigEndian<quint32>(guest.input.constData());
        if (guest.input.size() < size + qsizetype(sizeof(quint32)))
            return false;
        guest.input.remove(0, size + qsizetype(sizeof(quint32)));
        if (size > 0)
            continue;
        guest.isStreaming = false;
        ++m_questions;
        say(guest, m_script(guest.id, ClamdWay::Stream));
        return true;
    }
    return false;
}

void FakeClamd::say(Guest &guest, Saying saying)
{
    const Clock::time_point at = Clock::now() + saying.after;
    guest.sayings.emplace_back(at, std::move(saying));
}

bool FakeClamd::speak(Guest &guest)
{
    while (!guest.sayings.empty() && guest.sayings.front().first <= Clock::now()) {
        const Saying saying = std::move(guest.sayings.front().second);
        guest.sayings.pop_front();
        SocketMessage::send(guest.socket.get(), saying.bytes, -1, MSG_DONTWAIT);
        guest.isEndless = saying.then == Then::Endless;
        if (saying.then == Then::Close)
            return false;
    }
    return !guest.isEndless
        || SocketMessage::send(guest.socket.get(), QByteArray(512, 'x'), -1, MSG_DONTWAIT) >= 0
        || errno == EAGAIN;
}

} // namespace Sentinel::Test
