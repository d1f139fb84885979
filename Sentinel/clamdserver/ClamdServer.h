// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/LocalBackend.h"
#include "Sentinel/clamdserver/ClamdServerSettings.h"
#include "Sentinel/clamdserver/ClamdSession.h"
#include "ipc/Listener.h"

#include <QObject>
#include <QTimer>

#include <expected>
#include <memory>
#include <vector>

namespace Sentinel {

//! \brief Scans for programs that know how to speak with clamd (docs/clamd.md).
//!
//! Every connection is a client of its own, with its share of the queue and the workers. A client
//! that waits for nothing costs a descriptor, and leaves its place to one that comes.
//!
//! Owner:  the Broker.
//! Thread: owner.
//! Limits: ClamdServerSettings.
class ClamdServer final : public QObject {
    Q_OBJECT

public:
    //! A socket as \p settings want it.
    static std::expected<std::unique_ptr<Listener>, QString> listen(
        const ClamdServerSettings &settings);

    //! From now on lets in whoever \p listener does. \p backend outlives this.
    ClamdServer(
        std::unique_ptr<Listener> listener, LocalBackend &backend, ClamdServerSettings settings);
    //! Ends every connection.
    ~ClamdServer() override;

    int clients() const { return int(sessions().size()); }
    //! \p rules are in force.
    void noteRules(const RuleSetSummary &rules);
    //! Lets nobody in any more.
    void stopListening() { m_listener.reset(); }
    //! Tells what the backend has answered, without the event loop.
    void tellAnswers();

Q_SIGNALS:
    //! A client wants it, and may.
    void reloadWanted();
    void shutDownWanted();

private:
    void admit(FileDescriptor socket);
    bool makeRoom();
    std::vector<ClamdSession *> sessions() const;

    const ClamdServerSettings m_settings;
    const std::shared_ptr<SpoolBudget> m_budget;
    std::unique_ptr<FileCopies> m_copies;
    ClamdSurroundings m_around;
    QByteArray m_rulesDigest;
    std::unique_ptr<Listener> m_listener;
    QTimer m_looking;
    quint64 m_lastClient;
};

} // namespace Sentinel
