// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/broker/Broker.h"
#include "ipc/LocalSocket_p.h"
#include "tests/support/Patience.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RawPeer.h"
#include "tests/support/RuleDirectory.h"

#include <QTemporaryDir>
#include <QTest>
#include <QtEndian>

#include <functional>
#include <memory>
#include <vector>

namespace Sentinel::Test {

//! \brief The bytes of a literal, zeros too.
inline QByteArray operator""_ba(const char *bytes, size_t size)
{
    return QByteArray(bytes, qsizetype(size));
}

//! \brief One connection to a server of this process that speaks clamd's protocol.
class ClamdPeer {
public:
    explicit ClamdPeer(FileDescriptor socket) : m_socket(std::move(socket)) { }
    static ClamdPeer connectTo(const QString &path)
    {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const auto address = LocalSocket::addressOf(path);
        const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
        if (::connect(socket.get(), generic, sizeof *address) != 0)
            qFatal("no connection to %s", qPrintable(path));
        return ClamdPeer(std::move(socket));
    }

    //! All of \p bytes, as the server takes them; false if it does not.
    bool send(QByteArray bytes)
    {
        const auto isOver = [&] {
            while (!bytes.isEmpty()) {
                const ssize_t sent = SocketMessage::send(m_socket.get(), bytes, -1, MSG_DONTWAIT);
                if (sent < 0)
                    return errno != EAGAIN;
                bytes.remove(0, sent);
            }
            return true;
        };
        return QTest::qWaitFor(isOver, patienceMs) && bytes.isEmpty();
    }
    //! \p bytes at once, with \p descriptors.
    bool sendWith(const QByteArray &bytes, const std::vector<int> &descriptors)
    {
        RawPeer raw(FileDescriptor(::dup(m_socket.get())));
        return raw.sendWith(bytes, descriptors);
    }
    bool shutDownSending() { return ::shutdown(m_socket.get(), SHUT_WR) == 0; }

    //! What has come by now, with all before.
    const QByteArray &heard()
    {
        char buffer[65536];
        ssize_t size = 0;
        while ((size = ::recv(m_socket.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            m_heard.append(buffer, size);
        m_isOver = m_isOver || size == 0 || errno != EAGAIN;
        return m_heard;
    }
    bool isOver()
    {
        heard();
        return m_isOver;
    }
    //! All that comes until the server hangs up, or in vain.
    QByteArray all()
    {
        const bool isWhole = QTest::qWaitFor([this] { return isOver(); }, patienceMs);
        return isWhole ? m_heard : m_heard + "... and no end";
    }
    //! \p size bytes, or less in vain.
    QByteArray first(qsizetype size)
    {
        (void)QTest::qWaitFor(
            [this, size] { return heard().size() >= size || m_isOver; }, patienceMs);
        return m_heard;
    }
    int descriptor() const { return m_socket.get(); }

private:
    FileDescriptor m_socket;
    QByteArray m_heard;
    bool m_isOver = false;
};

inline QByteArray chunk(const QByteArray &bytes)
{
    QByteArray size(4, '\0');
    qToBigEndian(quint32(bytes.size()), size.data());
    return size + bytes;
}

//! \brief \p content as INSTREAM wants it, in chunks of \p chunkBytes.
inline QByteArray chunks(const QByteArray &content, qsizetype chunkBytes = 128 * 1024)
{
    QByteArray stream;
    for (qsizetype at = 0; at < content.size(); at += chunkBytes)
        stream += chunk(content.mid(at, chunkBytes));
    return stream + QByteArray(4, '\0');
}

//! \brief A Broker of this process that serves clamd's clients. Its rules are markerRules().
class ServingClamd {
public:
    struct Settings {
        ClamdServerSettings clamd;
        LocalBackend::Settings scanning;
    };
    using Adjust = std::function<void(Settings &)>;

    explicit ServingClamd(const Adjust &adjust = {}) : m_rules(markerRules())
    {
        Settings settings;
        settings.scanning.workers.maxWorkers = 2;
        settings.clamd.socketPath = m_directory.filePath(QStringLiteral("clamd"));
        if (adjust)
            adjust(settings);
        m_path = settings.clamd.socketPath;
        Broker::Settings broker;
        broker.rules.fleet.program = SENTINEL_BINARY;
        broker.rules.fleet.rules = {m_rules.settings().rulePaths, {}};
        broker.scanning = settings.scanning;
        RuleLoader::Loaded loaded = RuleLoader::load(broker.rules, RuleLoader::Proof::None);
        auto listener = ClamdServer::listen(settings.clamd);
        if (!loaded.engine || !listener)
            qFatal("no broker");
        m_broker = std::make_unique<Broker>(std::move(loaded), broker);
        m_broker->serveClamd(std::move(*listener), settings.clamd);
    }

    Broker &broker() { return *m_broker; }
    const RuleDirectory &rules() const { return m_rules; }
    const QString &path() const { return m_path; }
    SentinelStatus status() const { return m_broker->status(); }
    ClamdPeer connect() const { return ClamdPeer::connectTo(m_path); }
    //! All that is answered to \p bytes.
    QByteArray ask(const QByteArray &bytes) const
    {
        ClamdPeer peer = connect();
        return peer.send(bytes) ? peer.all() : peer.all() + "... and not taken";
    }
    //! Contents that nobody has had before are scanned, and rightly.
    bool serves()
    {
        const QByteArray tail = QByteArray::number(++m_served);
        const QByteArray marked = ask("nINSTREAM\n" + chunks("a THREAT-MARK" + tail));
        const QByteArray plain = ask("zINSTREAM\0"_ba + chunks("plain" + tail));
        if (marked == "stream: OK\n" || plain.endsWith(" FOUND\0"_ba))
            qFatal("a wrong answer: %s, %s", marked.constData(), plain.constData());
        return marked == "stream: YARA.marked FOUND\n" && plain == "stream: OK\0"_ba;
    }
    //! Nobody is here, nothing is scanned.
    bool isQuiet() const
    {
        const SentinelStatus now = status();
        return now.clients == 0 && now.queue.waiting == 0 && now.queue.underWay == 0;
    }
    //! How many there are once each kind of thread has worked, at rest.
    int warmDescriptors()
    {
        const FileDescriptor file(::memfd_create("served", MFD_CLOEXEC));
        ClamdPeer peer = connect();
        if (!peer.sendWith("nFILDES\n\0"_ba, {file.get()}) || !peer.all().endsWith(": OK\n")
            || !serves() || !QTest::qWaitFor([this] { return isQuiet(); }, patienceMs))
            qFatal("a server that does not serve");
        return descriptors() - 2; // without ours
    }
    //! Of this process, without what workers and threads have: those come and go by themselves.
    int descriptors() const
    {
        const SentinelStatus now = status();
        return descriptorCount() - 2 * int(now.workers.size()) - now.telemetry.workers;
    }

private:
    const RuleDirectory m_rules;
    QTemporaryDir m_directory; // made with mode 0700
    QString m_path;
    std::unique_ptr<Broker> m_broker;
    int m_served = 0;
};

} // namespace Sentinel::Test
