// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/FileRelease.h"
#include "SecurityTap/inspection/Inspection.h"
#include "SecurityTap/inspection/Outcome.h"
#include "SecurityTap/network/MirrorReply.h"
#include "SecurityTap/network/ReleasedBody.h"

#include <QPointer>

#include <expected>
#include <optional>

namespace Sentinel {

class TapAccessManager;

//! \brief A reply that withholds its body until the verdict: made by TapAccessManager.
//!
//! Everything but the body (headers, attributes, redirects, TLS, progress) appears as it does in
//! Qt's own reply, which works inside. The body goes into an Inspection at the speed of the
//! network; readyRead() and finished() follow the decision:
//!
//! | decision                    | error()                           | body                       |
//! |-----------------------------|-----------------------------------|----------------------------|
//! | release                     | as of Qt's reply (404, ...)       | readable                   |
//! | block, quarantine: threat   | ContentAccessDenied               | nothing                    |
//! | warn                        | waits for resolve(), then as said | nothing before             |
//! | block: not scanned          | ContentOperationNotPermittedError | nothing                    |
//! | block: could not be stored  | UnknownContentError               | nothing                    |
//! | block: cancelled            | OperationCanceledError            | nothing                    |
//! | the transfer was cut off    | as of Qt's reply, never NoError   | nothing                    |
//!
//! Where the length is not known (chunks, compression), Qt 6.4 does not always tell of a cut; what
//! came then counts as the body. errorString() says what was found. If the decision to release
//! comes before the last byte (too large to be scanned), the body passes through from then on: what
//! is here is readable, the rest follows live, a cut then leaves what has arrived readable, as in
//! Qt, and readBufferSize() holds. A body that the plugin does not want to see passes through from
//! the start. What has no body (HEAD, 204, 304, a refused connection) is not inspected and ends as
//! Qt's reply does.
//!
//! What is readable is the inspection's: it ends with the plugin's tap, as does a transfer under
//! way.
//!
//! Owner:  the caller, who deletes it (also in its slots, by deleteLater()); else its manager.
//! Thread: the manager's.
//! Limits: see Inspection; in pass-through readBufferSize(), plus what Qt's reply holds.
class SECURITYTAP_EXPORT TapReply final : public MirrorReply {
    Q_OBJECT

public:
    //! Deleting a reply under way cancels its transfer and its inspection, without a signal.
    ~TapReply() override;

    //! Set from decided() on; stays empty for a body that is not inspected.
    const std::optional<Outcome> &outcome() const { return m_outcome; }

    //! Puts the finished body at \p directory / \p name; see Inspection::releaseInto(). Independent
    //! of what has been read.
    std::expected<QString, ReleaseError> releaseInto(
        const QString &directory, const QString &name, ExistingFile existing) const;

    //! What its user wants done with a body that was warned of: as Inspection::resolve().
    bool resolve(Inspection::Resolution resolution);

    bool isSequential() const override { return true; }
    qint64 bytesAvailable() const override;
    bool canReadLine() const override;
    void setReadBufferSize(qint64 size) override;
    void close() override;

public Q_SLOTS:
    void abort() override;

Q_SIGNALS:
    //! The outcome stands; once, before finished(). Not for a body that is not inspected.
    void decided(const Sentinel::Outcome &outcome);
    //! The body may be a threat: ask its user, and resolve(); after decided(). Where nothing is
    //! connected to this nobody would: then it is blocked.
    void warned(const Sentinel::Outcome &outcome);

protected:
    qint64 readData(char *target, qint64 size) override;

private:
    friend class TapAccessManager;
    TapReply(TapAccessManager &manager, QNetworkAccessManager::Operation operation,
        QNetworkReply *inner);

    //! Where the body is.
    enum class Stage : quint8 {
        Waiting, //!< has not begun
        Withholding, //!< goes into the inspection; nothing is given out
        Giving, //!< decided to release: read from the inspection, which may still be filled
        Untapped, //!< of no interest to the plugin: read from Qt's reply
    };

    bool begin();
    void takeIn();
    void takeInLater();
    qint64 room() const;
    void onInnerFinished();
    void onInnerDestroyed();
    void endOfBody();
    void onDecided(const Outcome &outcome);
    void onResolved(const Outcome &outcome);
    void give();
    void onInspectionDestroyed();
    void refuse(const Outcome &outcome);
    void limitInner();
    void stopInspection();
    void announceBytes();
    void end(NetworkError error, const QString &message);
    void endAsInner();
    void endCutOff();
    void endReleased();
    void forget();
    qint64 unreadBytes() const;

    const QPointer<QNetworkAccessManager> m_manager; // a TapAccessManager, until it ends
    QPointer<Inspection> m_inspection; // the tap's child; ours to delete
    ReleasedBody m_body; // what the inspection gives out
    Stage m_stage = Stage::Waiting;
    bool m_isInnerFinished = false; // no byte will be added to what Qt's reply holds
    bool m_isBodyTaken = false; // the inspection has all that will come
    bool m_isBodyLost = false; // the inspection takes no more, and has less than that
    bool m_isCutOff = false; // all that will come is not all there was
    bool m_isTakeInQueued = false;
    bool m_isEnding = false;
    bool m_isInnerLimited = false;
    qint64 m_announcedBytes = 0; // known to the reader by readyRead()
    std::optional<Outcome> m_outcome;
};

} // namespace Sentinel
