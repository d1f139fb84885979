// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/LocalBackend.h"
#include "Sentinel/Limits.h"
#include "Sentinel/broker/ClientScans.h"
#include "ipc/Channel.h"

#include <QObject>
#include <QTimer>

#include <memory>

namespace Sentinel {

//! \brief One client's connection: what it may say in which state, and its scans.
//!
//! docs/PROTOCOL.md, "Order", is what it enforces; whatever is against it ends the session. When
//! the session ends, its scans are cancelled.
//!
//! Owner:  the Broker.
//! Thread: owner.
//! Limits: Limits::maxScansOfClient unanswered scans, each with a descriptor;
//!         Limits::maxHelloWait without a Hello.
class Session final : public QObject {
    Q_OBJECT

public:
    //! \p client tells it from others in the queue. \p backend outlives this.
    Session(FileDescriptor socket, quint64 client, LocalBackend &backend, QObject *parent);
    ~Session() override;

    //! False if the client is gone, or as good as gone.
    bool send(const Message &message) { return m_channel.send(message); }
    bool isAlive() const { return m_state != State::Ended; }
    //! True once Welcome was said, until it ends.
    bool isOpen() const { return isAlive() && m_state != State::New; }
    //! Says no, for people, and ends.
    void refuse(const QString &text);

Q_SIGNALS:
    void statusWanted(quint64 id);
    void reloadWanted(quint64 id);
    //! Nothing comes any more; to be deleted.
    void ended(Sentinel::CloseReason reason, const QString &text);

private:
    enum class State : quint8 { New, Tap, Control, Ended };
    using Timeout = std::optional<std::chrono::milliseconds>;

    bool isLegal(const Message &message) const;
    void receive(const Message &message, FileDescriptor &descriptor);
    void on(const Hello &message);
    void on(const ScanGrow &message);
    void on(const ScanEnd &message);
    void on(const ScanCancel &message);
    void on(const VerdictAck &message);
    void begin(const ScanBegin &message, FileDescriptor file);
    std::optional<Reason> submit(const ScanBegin &message, ClientScans::Scan scan);
    std::optional<ClientScans::Scan> advance(
        quint64 id, qint64 sizeBytes, ClientScans::Stage stage);
    std::optional<ClientScans::Scan> find(quint64 id);
    Timeout allowed(Timeout wanted) const;
    void giveUp(const ClientScans::Scan &scan, Reason reason, const QString &detail = {});
    void refuseScan(quint64 id, Reason reason, const QString &detail = {});
    void end(CloseReason reason, const QString &text);

    const quint64 m_client;
    LocalBackend &m_backend;
    Channel m_channel;
    QTimer m_helloWait;
    State m_state = State::New;
    const std::shared_ptr<ClientScans> m_scans;
    quint64 m_lastId = 0;
};

} // namespace Sentinel
