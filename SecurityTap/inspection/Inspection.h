// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/content/Spool.h"
#include "SecurityTap/history/ReleaseRecord.h"
#include "SecurityTap/inspection/Download.h"
#include "SecurityTap/inspection/Outcome.h"
#include "SecurityTap/inspection/WaitingRoom.h"
#include "SecurityTap/policy/Decision.h"
#include "SecurityTap/scan/Deadline.h"
#include "SecurityTap/scan/Mailbox.h"

#include <QByteArrayView>
#include <QObject>

#include <functional>
#include <memory>
#include <optional>

namespace Sentinel {

class Custody;
class ScanBackend;

//! \brief One download's passage through inspection, from its first byte to its Outcome.
//!
//! Made by SecurityTap::inspect(). Fed by write() and ended by finish(), or by abort() or cancel().
//! Emits decided() exactly once, from the event loop, whatever happens: verdict, deadline, full
//! queue, full disk, cancellation, or the end of its SecurityTap; not if it is deleted before.
//! Scanning begins while bytes still arrive.
//!
//! A decision may come before the last byte (too large to be scanned). If it is to release, bytes
//! may still be written; what is kept is complete after finish().
//!
//! Owner:  its SecurityTap (QObject parent), unless deleted earlier, which is right at any time.
//! Thread: owner (asserted). No call waits for a scan.
//! Limits: one descriptor; TapSettings::maxSpoolBytes.
class SECURITYTAP_EXPORT Inspection final : public QObject, private WaitingRoom::Guest {
    Q_OBJECT

public:
    enum class State : quint8 {
        Receiving, //!< bytes arrive; those that are here may be scanned already
        Scanning, //!< all bytes are here; waits for its verdict, in the queue, on a worker, or held
                  //!< until the queue has room
        Settling, //!< decided; what that asks for is being done: put into quarantine, written down
        Decided, //!< the outcome stands; decided() was emitted or is about to be
    };
    Q_ENUM(State)

    //! What the user wants done with a download of which the policy warns.
    enum class Resolution : quint8 {
        Release,
        Quarantine, //!< discarded where there is no custody, or if it fails
        Discard,
    };
    Q_ENUM(Resolution)

    //! How an inspection keeps and judges its bytes; given by the SecurityTap.
    struct Terms {
        ScanBackend *backend = nullptr; // outlives the inspection's last question
        Policy policy;
        std::shared_ptr<SpoolBudget> budget;
        QString spoolDirectory; // without a destination directory
        qint64 maxSpoolBytes = 0;
        qint64 maxScanBytes = 0;
        Custody *custody = nullptr; // outlives it; may be null
        ScanTimeouts timeouts; // by which there is an answer
        WaitingRoom *waitingRoom = nullptr; // outlives it
        std::function<void(const Download &)> overflowed; // the queue has refused it, first time
    };

    ~Inspection() override;

    //! Unique in this process.
    quint64 id() const { return m_id; }
    const Download &download() const { return m_download; }
    State state() const { return m_state; }
    //! The outcome, once Decided.
    const std::optional<Outcome> &outcome() const { return m_outcome; }
    //! Bytes that have arrived.
    qint64 sizeBytes() const;
    //! True after finish(): all bytes are kept, none will be added. Stays false if the bytes could
    //! not be kept.
    bool isComplete() const { return m_complete; }

    //! The next bytes. False if they are not wanted (any more): decided to block, finished, or no
    //! room to keep them, which decides the outcome (Unreadable).
    bool write(QByteArrayView bytes);
    //! The last byte has been written.
    void finish();
    //! The transfer ended too early: decides Incomplete, if nothing is decided yet.
    void abort();
    //! Nobody wants the download any more: decides Cancelled, if nothing is decided yet.
    void cancel();
    //! What its user has said to Disposition::Warn; resolved() follows, with the outcome that holds
    //! from then on. Until then it is withheld. False if this was not asked, or was answered.
    bool resolve(Resolution resolution);

    //! The bytes from \p offset, at most \p size; only what is to be released. -1 on an error, 0
    //! where there are none (yet).
    qint64 read(char *target, qint64 size, qint64 offset) const;
    //! Puts a complete download that is to be released at \p directory / \p name, in one step, with
    //! the very bytes that were scanned and, unless it is private, its provenance. \p name is
    //! sanitised. Returns the path. Blocks for a copy and a hash.
    std::expected<QString, ReleaseError> releaseInto(
        const QString &directory, const QString &name, ExistingFile existing);

Q_SIGNALS:
    //! The outcome stands. The inspection may be deleted (deleteLater()) in a slot.
    void decided(const Sentinel::Outcome &outcome);
    //! As resolve() has it; from the event loop.
    void resolved(const Sentinel::Outcome &outcome);

private:
    friend class SecurityTap;
    Inspection(quint64 id, Download download, Terms terms, QObject *parent);
    //! For content that is there as a whole: as write() and finish(), without a copy.
    void take(QByteArray content);
    //! Announces the outcome now, deciding with \p reason if none stands; the tap is closing.
    void conclude(Reason reason);

    bool openSpool();
    void loseBytes(const SpoolError &error);
    std::shared_ptr<const Content> content() const;
    std::optional<Reason> submit(std::shared_ptr<const Content> content);
    void submitOrHold();
    Deadline deadline() const;
    void noteOverflow();
    bool hold();
    bool tryAgain() override;
    void turnAway() override;
    void beginAnew();
    void scanArrived();
    void scanComplete();
    void decideNotScanned(Reason reason, const QString &detail = {});
    void onResult(int attempt, ScanResult result);

    // What follows a result: InspectionEnd.cpp.
    Decision decideOn(const ScanResult &result) const;
    Disposition settle(ScanResult result);
    void dispose(Outcome outcome);
    void quarantine(Outcome outcome);
    void stand(Outcome outcome);
    void writeDown(const Outcome &outcome) const;
    QString loggedResult() const;
    void oweWhatWasRead();
    void announce();
    bool isSettled() const { return m_state == State::Settling || m_state == State::Decided; }
    FileType fileType() const;
    ReleaseRecord releaseRecord(const ScanResult &result) const;

    const quint64 m_id;
    const Download m_download;
    const Terms m_terms;
    const quint64 m_origin; // its share key
    const Mailbox m_mailbox;
    State m_state = State::Receiving;
    bool m_complete = false;
    bool m_hasLostBytes = false; // what is kept has a hole, or no end
    bool m_announced = false;
    bool m_hasOverflowed = false;
    std::unique_ptr<Spool> m_spool;
    QByteArray m_taken;
    quint64 m_request = 0; // 0 while none is with the backend
    int m_attempts = 0; // requests made; the last one counts
    bool m_isScannedInMemory = false; // where the file of the last one was
    qint64 m_nextWakeBytes = 0;
    Clock::time_point m_finishedAt;
    std::optional<Outcome> m_pending; // while Settling
    std::optional<Outcome> m_outcome;
    std::optional<ReleaseRecord> m_owed; // released, or to be, without having been scanned
    bool m_isResolved = false;
};

} // namespace Sentinel
