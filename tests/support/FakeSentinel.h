// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Channel.h"
#include "ipc/Listener.h"

#include <QTemporaryDir>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace Sentinel::Test {

inline const QByteArray threatMark = "THREAT-MARK";

//! The rules that a fake sentinel says it has.
RuleSetSummary fakeRules();
//! A verdict as a scan of \p bytes bytes would give it.
ScanResult cleanResult(qint64 bytes);
ScanResult maliciousResult(qint64 bytes);

//! \brief One connection with a client, seen from a sentinel that does what a test wants.
class FakePeer {
public:
    explicit FakePeer(FileDescriptor socket);

    void send(const Message &message) { channel->send(message); }
    //! All messages of a kind, in their order.
    template <typename Kind>
    std::vector<Kind> all() const
    {
        std::vector<Kind> found;
        for (const Message &message : received) {
            if (const auto *one = std::get_if<Kind>(&message))
                found.push_back(*one);
        }
        return found;
    }
    template <typename Kind>
    int count() const
    {
        return int(all<Kind>().size());
    }
    //! The first \p sizeBytes bytes of the content of scan \p id.
    QByteArray content(quint64 id, qint64 sizeBytes) const;
    //! Looks at the content, once it is complete, for the threatMark.
    void scanWhenComplete(const Message &message);

    std::unique_ptr<Channel> channel;
    std::vector<Message> received;
    std::map<quint64, FileDescriptor> files;
    std::function<void(const Message &)> onMessage;
    bool isClosed = false;
};

//! \brief A sentinel that runs already: a socket to be found at, and its clients.
class FakeSentinel {
public:
    //! What a new client gets; the default is a welcome().
    using Script = std::function<void(FakePeer &, const Message &)>;

    FakeSentinel();

    QString path() const { return m_directory.filePath(QStringLiteral("run/socket")); }
    void listen();
    void stopListening() { m_listener.reset(); }
    //! Answers Hello; for scripts.
    static void welcome(FakePeer &peer, const Message &message);
    //! Besides scans what it is asked to.
    static void scan(FakePeer &peer, const Message &message);

    int connections() const { return m_connections; }
    FakePeer &peer() { return *peers.back(); }

    Script script = welcome;
    std::vector<std::unique_ptr<FakePeer>> peers;
    bool keepsSocketsRaw = false;
    std::vector<FileDescriptor> raw; //!< if so

private:
    QTemporaryDir m_directory;
    std::unique_ptr<Listener> m_listener;
    int m_connections = 0;
};

//! \brief True if this process was started as a sentinel: a test's main() then returns what
//! runSpawnedSentinel() does. What it is to do stands in the place of its rules: "scans",
//! "exits", "dies" (during a scan), "is silent", "lists" (its arguments, as its product).
bool isSpawnedSentinel(int argc, char **argv);
int runSpawnedSentinel(int argc, char **argv);

} // namespace Sentinel::Test
