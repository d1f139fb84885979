// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/scan/Mailbox.h"
#include "Sentinel/clamdserver/ClamdCommand.h"
#include "Sentinel/clamdserver/ClamdServerSettings.h"
#include "Sentinel/clamdserver/ClamdSessionScan.h"
#include "Sentinel/clamdserver/ClamdSocket.h"
#include "Sentinel/clamdserver/FileCopies.h"

#include <QDateTime>
#include <QObject>

#include <map>
#include <memory>
#include <optional>

namespace Sentinel {

//! \brief What all clients of a ClamdServer share.
struct ClamdSurroundings {
    LocalBackend &backend;
    FileCopies &copies;
    const ClamdServerSettings &settings;
    std::shared_ptr<SpoolBudget> budget; //!< of the contents in memory
    QDateTime rulesSince; //!< when the rules in force came into it
};

//! \brief One client's connection: its commands, one after the other, and its scans.
//!
//! As clamd 1.4 speaks (docs/clamd.md): one command, or several between IDSESSION and END, whose
//! answers have numbers and come in any order. What is against the protocol is answered and ends
//! the connection. While a client does not take its answers, has too many scans, or a file or the
//! files below a path are being read for it, no more of its commands are read.
//!
//! Owner:  the ClamdServer.
//! Thread: owner.
//! Limits: ClamdServerSettings; Limits::maxClamdCommandBytes.
class ClamdSession final : public QObject {
    Q_OBJECT

public:
    //! \p client tells it from others in the queue. \p surroundings outlive this.
    ClamdSession(FileDescriptor socket, quint64 client, const ClamdSurroundings &surroundings,
        QObject *parent);
    ~ClamdSession() override;

    bool isAlive() const { return m_state != State::Ended; }
    //! Since when it has nothing to do but to wait for a command, if that is so.
    std::optional<Clock::time_point> idleSince() const;
    int openScans() const { return int(m_scans.size()); }
    //! Ends what takes too long, or is for nobody any more.
    void look(Clock::time_point now);
    //! Says why not, and ends once that was sent.
    void refuse(const QByteArray &text);

Q_SIGNALS:
    void reloadWanted();
    void shutDownWanted();
    //! To be deleted.
    void ended();

private:
    enum class State : quint8 {
        Command, //!< one is to come
        Descriptor, //!< the byte after FILDES is, with what goes with it
        ChunkSize, //!< of INSTREAM
        Chunk,
        Over, //!< nothing is: what is left to be said is
        Ended,
    };
    using Scans = std::map<quint64, ClamdSessionScan>; // by order

    void receive();
    void keep(SocketMessage::Received received);
    void goOn();
    void consume();
    bool isPaused() const;
    qsizetype step(QByteArrayView bytes);
    qsizetype takeCommand(QByteArrayView bytes);
    qsizetype takeChunkSize(QByteArrayView bytes);
    qsizetype takeChunk(QByteArrayView bytes);

    void obey(const ClamdCommand &command);
    void tell(const ClamdCommand &command);
    State afterCommand() const { return m_isSession ? State::Command : State::Over; }
    void beginStream();
    void completeStream();
    void beginCopy();
    void beginWalk(const ClamdCommand &command);
    void walkOn();
    void onWalked(quint64 id);
    void endWalk();
    void copy(FileCopies::Work work);
    void giveUpCopy();
    void onCopied(quint64 id, const FileCopies::Copy &copy);
    void submit(quint64 id, ClamdSessionScan &scan);
    void onResult(quint64 id, ScanResult result);

    quint64 addScan(const QByteArray &label);
    void answer(quint64 id, const QByteArray &text);
    void answerOfWalk(quint64 id, const ScanResult &result);
    void reply(const QByteArray &text) { say(m_number, m_terminator, text); }
    void say(quint64 number, char terminator, const QByteArray &text);
    void breach(const QByteArray &text);
    void drop(quint64 id);
    void endCommands();
    void end();

    const quint64 m_client;
    const ClamdSurroundings &m_around;
    ClamdSocket m_socket;
    State m_state = State::Command;
    bool m_isSession = false;
    bool m_isInputOver = false;
    quint64 m_number = 0; // of the command, in its session
    char m_terminator = '\n'; // of its reply
    QByteArray m_input; // not taken yet
    FileDescriptor m_descriptor; // that came and was not taken yet
    Scans m_scans; // unanswered
    std::optional<ClamdSessionWalk> m_walk; // under way
    quint64 m_lastScan = 0;
    quint64 m_arriving = 0; // the scan whose content is being read
    quint64 m_copying = 0; // the one whose file is being copied
    std::shared_ptr<std::atomic<bool>> m_isCopyWanted; // in use by the thread that copies
    qint64 m_chunkLeft = 0;
    Clock::time_point m_heardAt = Clock::now();
    const Mailbox m_mailbox{this};
};

} // namespace Sentinel
