// SPDX-License-Identifier: MIT
#include "SecurityTap/network/TapReply.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/network/AnswerHead.h"
#include "SecurityTap/network/TapAccessManager.h"

#include <QAbstractNetworkCache>
#include <QMetaMethod>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace Sentinel {

namespace {

//! What is taken in at once, before the event loop has its turn again: less than a millisecond.
constexpr qint64 sliceBytes = Limits::mib;
constexpr qint64 pieceBytes = 64 * Limits::kib;
//! Not the largest number: Qt adds to it.
constexpr qint64 noLimitBytes = 1024 * 1024 * Limits::gib;

} // namespace

TapReply::TapReply(
    TapAccessManager &manager, QNetworkAccessManager::Operation operation, QNetworkReply *inner)
    : MirrorReply(&manager, operation, inner), m_manager(&manager)
{
    QNetworkReply::open(QIODevice::ReadOnly);
    connect(inner, &QNetworkReply::readyRead, this, &TapReply::takeIn);
    connect(inner, &QNetworkReply::finished, this, &TapReply::onInnerFinished);
    connect(inner, &QObject::destroyed, this, &TapReply::onInnerDestroyed);
    // Some replies (data:, synchronous ones) are finished before anybody can listen; most of these
    // announce it later, so that this may be the second time.
    if (inner->isFinished())
        QMetaObject::invokeMethod(this, &TapReply::onInnerFinished, Qt::QueuedConnection);
}

TapReply::~TapReply()
{
    m_isEnding = true;
    stopInspection();
    if (m_inspection)
        m_inspection->deleteLater(); // maybe this happens in one of its slots
}

//! The first bytes are here, or it is known that the body is empty. False if this ended the reply.
bool TapReply::begin()
{
    mirror();
    auto *manager = static_cast<TapAccessManager *>(m_manager.data());
    const auto intercepted = manager->intercept(*inner());
    if (!intercepted) {
        dropInner();
        end(ContentOperationNotPermittedError,
            QStringLiteral("blocked: %1").arg(intercepted.error()));
        return false;
    }
    m_inspection = *intercepted;
    if (!m_inspection) {
        m_stage = Stage::Untapped;
        limitInner();
        return true;
    }
    m_stage = Stage::Withholding;
    m_body.setInspection(m_inspection);
    connect(m_inspection, &Inspection::decided, this, &TapReply::onDecided);
    connect(m_inspection, &QObject::destroyed, this, &TapReply::onInspectionDestroyed);
    return true;
}

//! Moves what Qt's reply holds into the inspection, as far as there is room, a slice at a time.
void TapReply::takeIn()
{
    if (!inner() || m_isEnding || m_isBodyTaken || m_isBodyLost)
        return;
    if (m_stage == Stage::Waiting && inner()->bytesAvailable() > 0 && !begin())
        return;
    if (m_stage == Stage::Untapped) {
        Q_EMIT readyRead();
        return;
    }
    std::array<char, pieceBytes> piece;
    for (qint64 left = std::min(sliceBytes, room()); left > 0 && m_inspection;) {
        const qint64 count = inner()->read(piece.data(), std::min(left, pieceBytes));
        if (count <= 0)
            break;
        if (!m_inspection->write({piece.data(), count})) {
            m_isBodyLost = true;
            if (m_stage == Stage::Giving)
                endReleased();
            return; // else the decision is on its way
        }
        left -= count;
    }
    if (inner()->bytesAvailable() > 0) {
        if (room() > 0)
            takeInLater();
    } else if (m_isInnerFinished) {
        endOfBody();
        return;
    }
    announceBytes();
}

void TapReply::takeInLater()
{
    if (std::exchange(m_isTakeInQueued, true))
        return;
    QMetaObject::invokeMethod(
        this,
        [this] {
            m_isTakeInQueued = false;
            takeIn();
        },
        Qt::QueuedConnection);
}

//! How many bytes may be taken in now.
qint64 TapReply::room() const
{
    // When the transfer is over, waiting saves no memory and would keep finished() back.
    if (m_stage != Stage::Giving || readBufferSize() == 0 || m_isInnerFinished)
        return std::numeric_limits<qint64>::max();
    return std::max<qint64>(0, readBufferSize() - unreadBytes());
}

void TapReply::onInnerFinished()
{
    if (std::exchange(m_isInnerFinished, true) || m_isEnding)
        return;
    mirror();
    if (m_stage == Stage::Waiting && inner()->bytesAvailable() == 0) {
        if (!AnswerHead::isEmptyFile(*inner())) {
            endAsInner();
            return;
        }
        if (!begin())
            return;
    }
    if (m_stage == Stage::Untapped)
        endAsInner();
    else
        takeIn();
}

//! Everything that will come has been taken in.
void TapReply::endOfBody()
{
    m_isBodyTaken = true;
    if (!m_inspection)
        return;
    m_isCutOff = !AnswerHead::isBodyComplete(*inner(), m_inspection->sizeBytes());
    if (m_isCutOff)
        m_inspection->abort();
    else
        m_inspection->finish();
    if (m_stage == Stage::Giving)
        endReleased();
    else if (m_isCutOff && m_inspection->outcome())
        onDecided(*m_inspection->outcome());
}

void TapReply::onDecided(const Outcome &outcome)
{
    if (m_outcome || m_isEnding)
        return;
    m_outcome = outcome;
    const QPointer<TapReply> self(this);
    Q_EMIT decided(outcome);
    if (!self || m_isEnding)
        return;
    if (outcome.disposition == Disposition::Release) {
        give();
    } else if (outcome.disposition == Disposition::Warn
        && isSignalConnected(QMetaMethod::fromSignal(&TapReply::warned))) {
        connect(m_inspection, &Inspection::resolved, this, &TapReply::onResolved);
        Q_EMIT warned(outcome);
    } else {
        refuse(outcome);
    }
}

bool TapReply::resolve(Inspection::Resolution resolution)
{
    return m_inspection && !m_isEnding && m_inspection->resolve(resolution);
}

void TapReply::onResolved(const Outcome &outcome)
{
    if (m_isEnding)
        return;
    m_outcome = outcome;
    if (outcome.disposition == Disposition::Release)
        give();
    else
        refuse(outcome);
}

//! It was decided to release it.
void TapReply::give()
{
    m_stage = Stage::Giving;
    if (m_isBodyTaken || m_isBodyLost) {
        endReleased();
        return;
    }
    limitInner();
    announceBytes();
}

void TapReply::refuse(const Outcome &outcome)
{
    if (outcome.result.reason() == Reason::Incomplete) {
        endCutOff();
        return;
    }
    dropInner();
    const QString what = describe(outcome.result);
    if (outcome.result.isThreat()) {
        forget();
        end(ContentAccessDenied, QStringLiteral("blocked: %1").arg(what));
    } else if (outcome.result.reason() == Reason::Cancelled) {
        end(OperationCanceledError, what);
    } else if (outcome.result.reason() == Reason::Unreadable) {
        end(UnknownContentError, what);
    } else {
        end(ContentOperationNotPermittedError, QStringLiteral("blocked: %1").arg(what));
    }
}

//! Takes the body out of the cache, if there is one and it is there.
void TapReply::forget()
{
    if (m_manager && m_manager->cache())
        m_manager->cache()->remove(url());
}

//! The inspection ended without us: with its tap, in most cases after a decision.
void TapReply::onInspectionDestroyed()
{
    if (isFinished() || m_isEnding)
        return;
    dropInner();
    end(OperationCanceledError, QStringLiteral("the inspection has ended"));
}

//! With the manager. If this reply lives on, having another parent, there is nobody left to whom
//! finished() could be told: the manager's own slot for it would run on a dead manager.
void TapReply::onInnerDestroyed()
{
    if (std::exchange(m_isEnding, true))
        return;
    stopInspection();
    setError(OperationCanceledError, QStringLiteral("the access manager has ended"));
    setFinished(true);
}

//! Lets Qt's reply stop the network when the reader is slow, now that the reader reads.
void TapReply::limitInner()
{
    if (!inner() || (readBufferSize() == 0 && !m_isInnerLimited))
        return;
    // Once limited, Qt goes on reading only when bytes are read under a limit: none is a large one.
    m_isInnerLimited = true;
    inner()->setReadBufferSize(readBufferSize() > 0 ? readBufferSize() : noLimitBytes);
}

void TapReply::stopInspection()
{
    if (!m_inspection)
        return;
    disconnect(m_inspection, nullptr, this, nullptr);
    const std::optional<Outcome> &known = m_inspection->outcome();
    const bool isThreat = known && known->result.isThreat();
    if (m_stage == Stage::Withholding
        && (isThreat || m_inspection->state() == Inspection::State::Settling))
        forget(); // nobody has been told of it yet, and nobody will be
    m_inspection->cancel();
}

void TapReply::announceBytes()
{
    if (m_stage != Stage::Giving || m_body.sizeBytes() <= m_announcedBytes)
        return;
    m_announcedBytes = m_body.sizeBytes();
    Q_EMIT readyRead();
}

//! Of a body that was decided to be released nothing more will come.
void TapReply::endReleased()
{
    if (m_isCutOff) {
        endCutOff();
    } else if (m_inspection->isComplete()) {
        endAsInner();
    } else {
        dropInner();
        end(UnknownContentError, QStringLiteral("the download could not be stored"));
    }
}

//! As Qt's reply; Qt does not notice every cut, and then caches what there is.
void TapReply::endCutOff()
{
    if (inner()->error() != NoError) {
        endAsInner();
        return;
    }
    forget();
    end(RemoteHostClosedError, QStringLiteral("Connection closed"));
}

void TapReply::endAsInner()
{
    end(inner()->error(), inner()->errorString());
}

void TapReply::end(NetworkError error, const QString &message)
{
    if (std::exchange(m_isEnding, true))
        return;
    const QPointer<TapReply> self(this);
    if (error != NoError) {
        setError(error, message);
        Q_EMIT errorOccurred(error);
        if (!self)
            return;
    }
    setFinished(true);
    announceBytes();
    if (!self)
        return;
    Q_EMIT readChannelFinished();
    if (!self)
        return;
    Q_EMIT finished();
}

std::expected<QString, ReleaseError> TapReply::releaseInto(
    const QString &directory, const QString &name, ExistingFile existing) const
{
    if (!m_inspection) {
        return std::unexpected(ReleaseError{ReleaseError::Code::Failed,
            QStringLiteral("there is no inspected download to be released")});
    }
    return m_inspection->releaseInto(directory, name, existing);
}

qint64 TapReply::unreadBytes() const
{
    if (!isOpen()) // aborted
        return 0;
    switch (m_stage) {
    case Stage::Waiting:
    case Stage::Withholding:
        return 0;
    case Stage::Giving:
        return m_body.unreadBytes();
    case Stage::Untapped:
        return inner() ? inner()->bytesAvailable() : 0;
    }
    Q_UNREACHABLE();
}

qint64 TapReply::bytesAvailable() const
{
    return QNetworkReply::bytesAvailable() + unreadBytes();
}

qint64 TapReply::readData(char *target, qint64 size)
{
    const qint64 none = isFinished() ? -1 : 0;
    if (unreadBytes() == 0)
        return none;
    if (m_stage == Stage::Untapped)
        return inner()->read(target, size);
    const qint64 count = m_body.read(target, size);
    if (!m_isBodyTaken)
        takeInLater(); // there is room again
    return count > 0 ? count : none;
}

bool TapReply::canReadLine() const
{
    if (QNetworkReply::canReadLine())
        return true;
    if (unreadBytes() == 0)
        return false;
    return m_stage == Stage::Untapped ? inner()->canReadLine() : m_body.canReadLine();
}

void TapReply::setReadBufferSize(qint64 size)
{
    QNetworkReply::setReadBufferSize(size);
    if (m_stage != Stage::Giving && m_stage != Stage::Untapped)
        return; // a body that is withheld has no reader whose speed could matter
    limitInner();
    if (m_stage == Stage::Giving)
        takeInLater();
}

void TapReply::close()
{
    if (m_isEnding)
        QNetworkReply::close();
    else
        abort();
}

void TapReply::abort()
{
    if (m_isEnding)
        return;
    QNetworkReply::close();
    dropInner();
    const QPointer<TapReply> self(this);
    if (m_inspection) {
        stopInspection();
        if (!m_outcome && m_inspection->outcome()) {
            m_outcome = m_inspection->outcome();
            Q_EMIT decided(*m_inspection->outcome());
        }
    }
    if (self)
        end(OperationCanceledError, QStringLiteral("operation canceled"));
}

} // namespace Sentinel
