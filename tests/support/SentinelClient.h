// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Channel.h"
#include "ipc/Limits.h"
#include "tests/support/Patience.h"

#include <QByteArray>
#include <QTest>

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace Sentinel::Test {

//! \brief \p bytes in a memfd that cannot shrink, as clients send them.
inline FileDescriptor contentFile(const QByteArray &bytes, int seals = F_SEAL_SHRINK)
{
    FileDescriptor file(::memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::write(file.get(), bytes.constData(), size_t(bytes.size())) != bytes.size()
        || ::fcntl(file.get(), F_ADD_SEALS, seals) != 0)
        qFatal("no content file");
    return file;
}

inline ScanBegin beginOf(quint64 id, qint64 sizeBytes, bool isComplete = true)
{
    ScanBegin begin;
    begin.id = id;
    begin.metadata.filename = QStringLiteral("file.bin");
    begin.sizeBytes = sizeBytes;
    begin.isComplete = isComplete;
    begin.wantsSha256 = true;
    return begin;
}

//! \brief A client of a sentinel that says what it is told to, and keeps what it hears.
class SentinelClient {
public:
    explicit SentinelClient(FileDescriptor socket) : channel(std::move(socket))
    {
        QObject::connect(&channel, &Channel::messageReceived, &channel,
            [this](const Message &message, FileDescriptor &) { hear(message); });
        QObject::connect(&channel, &Channel::closed, &channel,
            [this](CloseReason reason, const QString &) { closed = reason; });
    }

    //! Hello and its Welcome.
    bool open(Hello::Role role = Hello::Role::Tap)
    {
        const quint16 version = IpcLimits::protocolVersion;
        channel.send(Hello{version, version, role, QStringLiteral("test")});
        return wait([this] { return welcome.has_value(); });
    }

    //! The verdict on \p bytes, complete at once.
    std::optional<ScanResult> scan(
        const QByteArray &bytes, std::optional<std::chrono::milliseconds> timeout = std::nullopt)
    {
        const quint64 id = begin(bytes, timeout);
        return verdictOf(id);
    }
    quint64 begin(
        const QByteArray &bytes, std::optional<std::chrono::milliseconds> timeout = std::nullopt)
    {
        ScanBegin message = beginOf(++lastId, bytes.size());
        message.timeout = timeout;
        channel.send(message, contentFile(bytes));
        return lastId;
    }
    //! Waits for it; nothing if the connection ends first.
    std::optional<ScanResult> verdictOf(quint64 id)
    {
        wait([&] { return verdicts.contains(id) || closed; });
        const auto it = verdicts.find(id);
        return it == verdicts.end() ? std::nullopt : std::optional(it->second);
    }

    static bool wait(const std::function<bool()> &isDone)
    {
        return QTest::qWaitFor(isDone, patienceMs);
    }

    Channel channel;
    quint64 lastId = 0;
    std::optional<Welcome> welcome;
    std::optional<Refusal> refusal;
    std::map<quint64, ScanResult> verdicts;
    std::optional<CloseReason> closed;
    std::vector<Message> others;
    int verdictsHeard = 0;

private:
    void hear(const Message &message)
    {
        if (const auto *verdict = std::get_if<ScanVerdict>(&message)) {
            verdicts.insert_or_assign(verdict->id, verdict->result);
            ++verdictsHeard;
        } else if (const auto *yes = std::get_if<Welcome>(&message)) {
            welcome = *yes;
        } else if (const auto *no = std::get_if<Refusal>(&message)) {
            refusal = *no;
        } else {
            others.push_back(message);
        }
    }
};

} // namespace Sentinel::Test
