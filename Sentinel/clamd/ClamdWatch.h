// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/clamd/ClamdPool.h"
#include "Sentinel/clamd/ClamdVersion.h"
#include "ipc/SentinelStatus.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace Sentinel {

//! \brief Knows whether clamd is there, and what it is; has the connections to it.
//!
//! A thread of its own holds one connection, whose end tells at once that clamd has gone, asks on
//! it now and then for the version, keeps the others alive, and looks for a clamd that is away.
//!
//! Owner:  shared by its engines and whoever shows its status.
//! Thread: made, started and destroyed by one; the rest any.
class ClamdWatch {
public:
    //! Tells that status() has changed but for its counts, on the watch's thread.
    using Listener = std::function<void()>;

    explicit ClamdWatch(ClamdSettings settings);
    //! Ends the watch and closes the pool.
    ~ClamdWatch();
    Q_DISABLE_COPY_MOVE(ClamdWatch)

    //! Begins to watch, and waits until \p deadline to know whether clamd is there. Once.
    void start(Deadline deadline, Listener onChange = {});

    const ClamdSettings &settings() const { return m_settings; }
    ClamdPool &pool() { return m_pool; }

    //! False from the moment when clamd is known to be gone until it is known to be back.
    bool isReachable() const { return m_isReachable.load(std::memory_order_acquire); }
    //! What it said of itself last; nothing: never.
    std::optional<ClamdVersion> version() const;
    //! The largest content whose OK means that all of it was looked at: of the clamd that was asked
    //! for its limits, while the connection that it was asked on lasts.
    qint64 trustedBytes() const;
    //! Why it is not reachable, for people.
    QString trouble() const;
    ClamdStatus status() const;

private:
    void run();
    bool look();
    std::expected<QByteArray, QString> askOnce(const std::function<void(ClamdConnection &)> &put);
    std::expected<QByteArray, QString> ask(const std::function<void(ClamdConnection &)> &put);
    void letGo();
    bool tellsItsLimits();
    bool isLimitKnown() const;
    void found(const ClamdVersion &version);
    void lost(const QString &why);
    void waitUntil(Deadline deadline);

    const ClamdSettings m_settings;
    ClamdPool m_pool;
    Listener m_onChange;
    FileDescriptor m_stop; // eventfd
    std::unique_ptr<ClamdConnection> m_connection; // the thread's
    Deadline m_nextProbe; // the thread's
    std::atomic<bool> m_isReachable{false};
    std::atomic<bool> m_isStopping{false};
    mutable std::mutex m_mutex; // of all below but the thread
    std::condition_variable m_looked;
    FileDescriptor m_probed; // the socket that clamd was asked for its limits on
    qint64 m_trustedBytes = 0; // while that lasts
    std::optional<ClamdVersion> m_version;
    QString m_trouble;
    bool m_hasLooked = false;
    std::thread m_thread;
};

} // namespace Sentinel
