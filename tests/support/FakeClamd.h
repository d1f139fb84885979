// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Deadline.h"
#include "Sentinel/clamd/ClamdReply.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>
#include <QTemporaryDir>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace Sentinel::Test {

//! \brief Something at a local socket that reads what is said to a clamd and answers whatever its
//! script says, at any time. Decent where it has no script: it is asked for VERSION and PING, and
//! what is beyond all limits is called so.
//!
//! Owner:  the test.
//! Thread: runs on its own; its scripts too.
class FakeClamd {
public:
    enum class Then : quint8 {
        Wait, //!< for the next question
        Close,
        Endless, //!< more and more bytes, never an end
    };
    //! What it says of a content that is beyond all limits.
    enum class Candour : quint8 {
        Telling, //!< so
        Silent, //!< OK
        Curt, //!< so, and ends the session
    };
    //! One answer, to the byte.
    struct Saying {
        QByteArray bytes;
        Then then = Then::Wait;
        std::chrono::milliseconds after{0};
    };
    //! Answers question \p id of a session, a scan that came by \p way.
    using Script = std::function<Saying(quint32 id, ClamdWay way)>;
    //! Answers VERSION or PING; or INSTREAM, before its content has come.
    using Manners = std::function<Saying(quint32 id, const QByteArray &command)>;

    explicit FakeClamd(
        Script script, Manners manners = &FakeClamd::decent, Candour candour = Candour::Telling);
    ~FakeClamd();
    Q_DISABLE_COPY_MOVE(FakeClamd)

    //! Ends all sessions and goes on with other settings, as if started anew behind a socket that
    //! is somebody else's: who connects meanwhile only waits.
    void restart(Candour candour);

    static Saying decent(quint32 id, const QByteArray &command);

    QString address() const { return m_directory.filePath(QStringLiteral("fake")); }
    //! Connections that were ever accepted.
    int connections() const { return m_connections; }
    //! Scans asked for.
    int questions() const { return m_questions; }
    //! Times that it was asked for its limits.
    int probes() const { return m_probes; }

private:
    struct Guest;

    void run();
    bool serve(Guest &guest, short events);
    void understand(Guest &guest);
    bool understandStream(Guest &guest);
    void say(Guest &guest, Saying saying);
    bool speak(Guest &guest);

    const Script m_script;
    const Manners m_manners;
    std::atomic<Candour> m_candour;
    QTemporaryDir m_directory;
    FileDescriptor m_listener;
    FileDescriptor m_wake; // eventfd: to stop, or to restart
    std::atomic<bool> m_isStopping{false};
    std::atomic<int> m_restartsDue{0};
    std::atomic<int> m_connections{0};
    std::atomic<int> m_questions{0};
    std::atomic<int> m_probes{0};
    std::vector<std::unique_ptr<Guest>> m_guests; // the thread's
    std::thread m_thread;
};

} // namespace Sentinel::Test
