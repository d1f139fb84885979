// SPDX-License-Identifier: MIT
#include "SecurityTap/network/TapReply.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/network/AnswerHead.h"
#include "SecurityTap/network/TapAccessManager.h"

#include <QAbstractNetworkCache>
#include <QSslConfiguration>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace Sentinel {

namespace {

constexpr char aroundProperty[] = "_sentinel_tapReply";

//! What is taken in at once, before the event loop has its turn again.
constexpr qint64 sliceBytes = 4 * Limits::mib;
constexpr qint64 pieceBytes = 64 * Limits::kib;
//! Not the largest number: Qt adds to it.
constexpr qint64 noLimitBytes = 1024 * 1024 * Limits::gib;

//! The attributes that Qt sets in replies. Not among them: the internal DownloadBufferAttribute,
//! which would show the body.
constexpr std::array replyAttributes{
    QNetworkRequest::HttpStatusCodeAttribute,
    QNetworkRequest::HttpReasonPhraseAttribute,
    QNetworkRequest::RedirectionTargetAttribute,
    QNetworkRequest::ConnectionEncryptedAttribute,
    QNetworkRequest::SourceIsFromCacheAttribute,
    QNetworkRequest::HttpPipeliningWasUsedAttribute,
    QNetworkRequest::Http2WasUsedAttribute,
    QNetworkRequest::OriginalContentLengthAttribute,
};

} // namespace

TapReply::TapReply(
    TapAccessManager &manager, QNetworkAccessManager::Operation operation, QNetworkReply *inner)
    : QNetworkReply(&manager), m_manager(&manager), m_inner(inner)
{
    inner->setProperty(aroundProperty, QVariant::fromValue(QPointer<QObject>(this)));
    setOperation(operation);
    setRequest(inner->request());
    mirrorMetaData();
    QNetworkReply::open(QIODevice::ReadOnly);
    forwardSignals();
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
    dropInner();
    if (m_inner)
        m_inner->deleteLater();
}

void TapReply::forwardSignals()
{
    QNetworkReply *inner = m_inner;
    connect(inner, &QNetworkReply::metaDataChanged, this, [this] {
        mirrorMetaData();
        Q_EMIT metaDataChanged();
    });
    connect(inner, &QNetworkReply::redirected, this, [this](const QUrl &url) {
        mirrorMetaData();
        Q_EMIT redirected(url);
    });
    connect(this, &QNetworkReply::redirectAllowed, inner, &QNetworkReply::redirectAllowed);
    connect(inner, &QNetworkReply::uploadProgress, this, &QNetworkReply::uploadProgress);
    connect(inner, &QNetworkReply::downloadProgress, this, &QNetworkReply::downloadProgress);
#if QT_VERSION >= QT_VERSION_CHECK(6, 3, 0)
    connect(inner, &QNetworkReply::socketStartedConnecting, this,
        &QNetworkReply::socketStartedConnecting);
    connect(inner, &QNetworkReply::requestSent, this, &QNetworkReply::requestSent);
#endif
#if QT_CONFIG(ssl)
    connect(inner, &QNetworkReply::encrypted, this, [this] {
        mirrorMetaData();
        Q_EMIT encrypted();
    });
    connect(inner, &QNetworkReply::sslErrors, this, &QNetworkReply::sslErrors);
    connect(inner, &QNetworkReply::preSharedKeyAuthenticationRequired, this,
        &QNetworkReply::preSharedKeyAuthenticationRequired);
#endif
    connect(inner, &QNetworkReply::readyRead, this, &TapReply::takeIn);
    connect(inner, &QNetworkReply::finished, this, &TapReply::onInnerFinished);
    connect(inner, &QObject::destroyed, this, &TapReply::onInnerDestroyed);
}

void TapReply::mirrorMetaData()
{
    setUrl(m_inner->url());
    for (const QNetworkRequest::Attribute code : replyAttributes)
        setAttribute(code, m_inner->attribute(code));
    const QList<QByteArray> names = rawHeaderList();
    for (const QByteArray &name : names) { // of an answer that was a redirect
        if (!m_inner->hasRawHeader(name))
            setRawHeader(name, QByteArray());
    }
    for (const auto &[name, value] : m_inner->rawHeaderPairs())
        setRawHeader(name, value);
}

//! The first bytes are here, or it is known that the body is empty. False if this ended the reply.
bool TapReply::begin()
{
    mirrorMetaData();
    const auto intercepted = m_manager->intercept(*m_inner);
    if (intercepted) {
        m_stage = Stage::Withholding;
        m_inspection = *intercepted;
        connect(m_inspection, &Inspection::decided, this, &TapReply::onDecided);
        connect(m_inspection, &QObject::destroyed, this, &TapReply::onInspectionDestroyed);
        return true;
    }
    if (intercepted.error() == TapAccessManager::NoInspection::NotWanted) {
        m_stage = Stage::Untapped;
        limitInner();
        return true;
    }
    dropInner();
    end(ContentOperationNotPermittedError, QStringLiteral("blocked: the inspection has ended"));
    return false;
}

//! Moves what Qt's reply holds into the inspection, as far as there is room, a slice at a time.
void TapReply::takeIn()
{
    if (!m_inner || m_isEnding || m_isBodyTaken)
        return;
    if (m_stage == Stage::Waiting && m_inner->bytesAvailable() > 0 && !begin())
        return;
    if (m_stage == Stage::Untapped) {
        Q_EMIT readyRead();
        return;
    }
    std::array<char, pieceBytes> piece;
    for (qint64 left = std::min(sliceBytes, room()); left > 0 && m_inspection;) {
        const qint64 count = m_inner->read(piece.data(), std::min(left, pieceBytes));
        if (count <= 0)
            break;
        if (!m_inspection->write({piece.data(), count})) {
            if (m_stage == Stage::Giving) {
                dropInner();
                end(UnknownContentError,
                    QStringLiteral("the rest of the download could not be stored"));
            }
            return; // else the decision is on its way
        }
        left -= count;
    }
    if (m_inner->bytesAvailable() > 0) {
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
    mirrorMetaData();
    if (m_stage == Stage::Waiting && m_inner->bytesAvailable() == 0) {
        if (!AnswerHead::isEmptyFile(*m_inner)) {
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
    if (!AnswerHead::isBodyComplete(*m_inner, m_inspection->sizeBytes())) {
        m_inspection->abort();
        if (m_stage == Stage::Giving)
            endCutOff();
        else if (m_inspection->outcome())
            onDecided(*m_inspection->outcome());
        return;
    }
    m_inspection->finish();
    if (m_stage != Stage::Giving)
        return;
    if (m_inspection->isComplete())
        endAsInner();
    else
        end(UnknownContentError, QStringLiteral("the download could not be stored"));
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
    if (outcome.disposition == Disposition::Block) {
        refuse(outcome);
        return;
    }
    m_stage = Stage::Giving;
    if (m_isBodyTaken) {
        endAsInner();
        return;
    }
    limitInner();
    announceBytes();
}

void TapReply::refuse(const Outcome &outcome)
{
    const QString what = describe(outcome.result);
    if (outcome.result.isThreat())
        forget();
    switch (outcome.result.reason()) {
    case Reason::None: // a threat
        dropInner();
        end(ContentAccessDenied, QStringLiteral("blocked: %1").arg(what));
        return;
    case Reason::Incomplete:
        endCutOff();
        return;
    case Reason::Cancelled:
        dropInner();
        end(OperationCanceledError, what);
        return;
    case Reason::Unreadable:
        dropInner();
        end(UnknownContentError, what);
        return;
    default:
        dropInner();
        end(ContentOperationNotPermittedError, QStringLiteral("blocked: %1").arg(what));
        return;
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
    if (!m_inner || (readBufferSize() == 0 && !m_isInnerLimited))
        return;
    // Once limited, Qt goes on reading only when bytes are read under a limit: none is a large one.
    m_isInnerLimited = true;
    m_inner->setReadBufferSize(readBufferSize() > 0 ? readBufferSize() : noLimitBytes);
}

void TapReply::dropInner()
{
    if (!m_inner)
        return;
    disconnect(m_inner, nullptr, this, nullptr);
    m_inner->abort();
}

void TapReply::stopInspection()
{
    if (!m_inspection)
        return;
    disconnect(m_inspection, nullptr, this, nullptr);
    m_inspection->cancel();
}

void TapReply::announceBytes()
{
    if (m_stage != Stage::Giving || !m_inspection || m_inspection->sizeBytes() <= m_announcedBytes)
        return;
    m_announcedBytes = m_inspection->sizeBytes();
    Q_EMIT readyRead();
}

//! As Qt's reply; Qt does not notice every cut, and then caches what there is.
void TapReply::endCutOff()
{
    if (m_inner->error() != NoError) {
        endAsInner();
        return;
    }
    forget();
    end(RemoteHostClosedError, QStringLiteral("Connection closed"));
}

void TapReply::endAsInner()
{
    end(m_inner->error(), m_inner->errorString());
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

TapReply *TapReply::around(const QNetworkReply *inner)
{
    return inner
        ? qobject_cast<TapReply *>(inner->property(aroundProperty).value<QPointer<QObject>>())
        : nullptr;
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
        return m_inspection ? std::max<qint64>(0, m_inspection->sizeBytes() - m_readOffset) : 0;
    case Stage::Untapped:
        return m_inner ? m_inner->bytesAvailable() : 0;
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
        return m_inner->read(target, size);
    const qint64 count = m_inspection->read(target, size, m_readOffset);
    if (count <= 0)
        return none;
    m_readOffset += count;
    if (!m_isBodyTaken)
        takeInLater(); // there is room again
    return count;
}

bool TapReply::canReadLine() const
{
    if (QNetworkReply::canReadLine())
        return true;
    if (m_stage == Stage::Untapped)
        return m_inner && m_inner->canReadLine();
    if (unreadBytes() == 0)
        return false;
    std::array<char, pieceBytes> piece;
    m_lineSearch = std::max(m_lineSearch, m_readOffset);
    for (;;) {
        const qint64 count = m_inspection->read(piece.data(), pieceBytes, m_lineSearch);
        if (count <= 0)
            return false;
        if (std::find(piece.begin(), piece.begin() + count, '\n') != piece.begin() + count)
            return true;
        m_lineSearch += count;
    }
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

void TapReply::ignoreSslErrors()
{
    if (m_inner)
        m_inner->ignoreSslErrors();
}

void TapReply::ignoreSslErrorsImplementation(const QList<QSslError> &errors)
{
    if (m_inner)
        m_inner->ignoreSslErrors(errors);
}

void TapReply::sslConfigurationImplementation(QSslConfiguration &configuration) const
{
    if (m_inner)
        configuration = m_inner->sslConfiguration();
}

void TapReply::setSslConfigurationImplementation(const QSslConfiguration &configuration)
{
    if (m_inner)
        m_inner->setSslConfiguration(configuration);
}

} // namespace Sentinel
