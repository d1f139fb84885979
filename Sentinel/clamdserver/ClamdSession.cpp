// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdSession.h"

#include "Sentinel/clamdserver/ClamdAnswer.h"

#include <array>
#include <utility>

#include <sys/socket.h>

namespace Sentinel {

namespace {

constexpr char readTimedOut[] = "COMMAND READ TIMED OUT";
constexpr char strayDescriptor[] = "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR";
constexpr char manyDescriptors[] = "PROTOCOL ERROR: more than one descriptor at a time. ERROR";

bool isAllowed(ClamdCommand::Verb verb, const ClamdServerSettings &settings)
{
    switch (verb) {
    case ClamdCommand::Verb::Reload:
        return settings.allowReload;
    case ClamdCommand::Verb::Shutdown:
        return settings.allowShutdown;
    case ClamdCommand::Verb::ScanPath:
        return settings.allowPaths;
    default:
        return true;
    }
}

} // namespace

ClamdSession::ClamdSession(
    FileDescriptor socket, quint64 client, const ClamdSurroundings &surroundings, QObject *parent)
    : QObject(parent), m_client(client), m_around(surroundings), m_socket(std::move(socket))
{
    connect(&m_socket, &ClamdSocket::readable, this, &ClamdSession::receive);
    connect(&m_socket, &ClamdSocket::sent, this, &ClamdSession::goOn);
    connect(&m_socket, &ClamdSocket::failed, this, &ClamdSession::end);
}

ClamdSession::~ClamdSession()
{
    m_state = State::Ended; // what is answered from here on is for nobody
    giveUpCopy();
    while (!m_scans.empty())
        drop(m_scans.begin()->first);
}

std::optional<Clock::time_point> ClamdSession::idleSince() const
{
    if (m_state != State::Command || !m_input.isEmpty() || !m_scans.empty() || m_socket.hasUnsent()
        || m_socket.hasUnread())
        return std::nullopt;
    return m_heardAt;
}

void ClamdSession::refuse(const QByteArray &text)
{
    say(0, '\n', text);
    endCommands();
    goOn();
}

void ClamdSession::look(Clock::time_point now)
{
    if (!isAlive())
        return;
    if (m_socket.isPeerGone())
        return end();
    if (const auto copying = m_scans.find(m_copying);
        copying != m_scans.end() && copying->second.until < now) {
        endWalk(); // its thread may never come back
        giveUpCopy();
        answer(
            std::exchange(m_copying, 0), ClamdAnswer::error("the file could not be read in time"));
        return goOn();
    }
    const auto arriving = m_scans.find(m_arriving);
    const bool isLate = arriving != m_scans.end() && arriving->second.until < now;
    const bool isWaiting = m_scans.empty() || m_arriving != 0 || m_socket.hasUnsent();
    if (!isLate && !(isWaiting && now - m_heardAt > m_around.settings.idleTime))
        return;
    if (m_state == State::Over || m_socket.hasUnsent())
        return end(); // it does not even listen
    refuse(readTimedOut);
}

void ClamdSession::receive()
{
    std::array<char, Limits::clamdReadBytes> buffer; // not filled for nothing
    for (int i = 0; i < Limits::clamdReadsPerTurn && isAlive() && !isPaused(); ++i) {
        auto received = m_socket.receive(buffer);
        if (received.size < 0)
            break;
        if (received.size == 0) {
            if (m_socket.isPeerGone())
                return end();
            m_isInputOver = true; // it may still listen
            break;
        }
        if (m_state == State::Chunk || m_state == State::ChunkSize)
            m_heardAt = Clock::now();
        m_input.append(buffer.data(), received.size);
        keep(std::move(received));
        consume();
    }
    goOn();
}

//! One at a time: they come with the last of the bytes that have been read.
void ClamdSession::keep(SocketMessage::Received received)
{
    auto &descriptors = received.descriptors;
    if (descriptors.empty() || m_state == State::Over)
        return;
    if (descriptors.size() > 1 || (received.flags & MSG_CTRUNC) != 0 || m_descriptor.isValid())
        return breach(manyDescriptors);
    m_descriptor = std::move(descriptors.front());
}

//! Whatever has happened: takes what can be taken now, and waits for what is needed then.
void ClamdSession::goOn()
{
    walkOn();
    consume();
    if (!isAlive())
        return;
    const bool mayBeWanted = isPaused() || m_state == State::Descriptor
        || (m_state == State::Command && !m_input.isEmpty());
    if (m_descriptor.isValid() && !mayBeWanted) {
        m_descriptor = FileDescriptor();
        if (m_state != State::Over)
            breach(strayDescriptor);
    }
    if (m_isInputOver && !isPaused())
        endCommands();
    if (isAlive() && m_state == State::Over && m_scans.empty() && !m_walk && !m_socket.hasUnsent())
        return end();
    m_socket.setReading(isAlive() && !m_isInputOver && !isPaused());
}

void ClamdSession::consume()
{
    qsizetype used = 0;
    while (isAlive() && !isPaused()) {
        const qsizetype taken = step(QByteArrayView(m_input).sliced(used));
        if (taken == 0)
            break;
        used += taken;
    }
    m_input.remove(0, used);
}

bool ClamdSession::isPaused() const
{
    return m_socket.hasUnsent() || m_copying != 0 || m_walk
        || (m_state == State::Command && openScans() >= m_around.settings.maxScansOfClient);
}

//! Takes what \p bytes begin with; returns how many bytes of them: 0 if there are too few.
qsizetype ClamdSession::step(QByteArrayView bytes)
{
    if (bytes.isEmpty())
        return 0;
    switch (m_state) {
    case State::Command:
        return takeCommand(bytes);
    case State::Descriptor:
        beginCopy();
        return 1;
    case State::ChunkSize:
        return takeChunkSize(bytes);
    case State::Chunk:
        return takeChunk(bytes);
    case State::Over:
    case State::Ended:
        break;
    }
    return bytes.size();
}

qsizetype ClamdSession::takeCommand(QByteArrayView bytes)
{
    const auto taken = takeClamdCommand(bytes);
    const qsizetype size = taken ? taken->sizeBytes : bytes.size();
    if (!taken && size <= Limits::maxClamdCommandBytes)
        return 0;
    m_heardAt = Clock::now();
    if (m_isSession)
        ++m_number;
    const ClamdCommand command =
        taken && size <= Limits::maxClamdCommandBytes ? taken->command : ClamdCommand();
    m_terminator = command.terminator();
    if (!m_isSession)
        obey(command);
    else if (command.framing == ClamdCommand::Framing::Bare)
        breach("Only nCMDS\\n and zCMDS\\0 are accepted inside IDSESSION. ERROR");
    else if (!command.isForSessions)
        breach("Command invalid inside IDSESSION. ERROR");
    else
        obey(command);
    return size;
}

void ClamdSession::obey(const ClamdCommand &command)
{
    using Verb = ClamdCommand::Verb;
    switch (command.verb) {
    case Verb::Instream:
        return beginStream();
    case Verb::Fildes:
        m_state = State::Descriptor;
        return;
    case Verb::IdSession:
        m_isSession = true;
        return;
    case Verb::End:
        if (m_isSession)
            return endCommands();
        break;
    case Verb::ScanPath:
        if (m_around.settings.allowPaths)
            return beginWalk(command);
        break;
    default:
        break;
    }
    tell(command);
    if (isAlive())
        m_state = afterCommand();
}

//! What is answered at once.
void ClamdSession::tell(const ClamdCommand &command)
{
    using Verb = ClamdCommand::Verb;
    const LocalBackend &backend = m_around.backend;
    switch (command.verb) {
    case Verb::Ping:
        return reply("PONG");
    case Verb::Version:
        return reply(ClamdAnswer::version(backend.engine()->rules(), m_around.rulesSince));
    case Verb::VersionCommands:
        return reply(ClamdAnswer::versionCommands(
            ClamdAnswer::version(backend.engine()->rules(), m_around.rulesSince),
            clamdCommandNames([this](Verb verb) { return isAllowed(verb, m_around.settings); })));
    case Verb::Stats:
        return reply(ClamdAnswer::stats(backend.telemetry(), backend.queueDepths(),
            m_around.budget->usedBytes(), m_around.budget->limitBytes()));
    case Verb::Reload:
        if (!m_around.settings.allowReload)
            return reply(ClamdAnswer::error("RELOAD is not allowed here"));
        Q_EMIT reloadWanted();
        return reply("RELOADING");
    case Verb::Shutdown:
        if (!m_around.settings.allowShutdown)
            return reply(ClamdAnswer::error("SHUTDOWN is not allowed here"));
        Q_EMIT shutDownWanted();
        return; // as clamd: the end is the answer
    case Verb::ScanPath:
        return reply(ClamdAnswer::printablePath(command.path) + ": "
            + ClamdAnswer::error("paths are not opened for clients, use INSTREAM or FILDES"));
    default:
        return reply("UNKNOWN COMMAND");
    }
}

void ClamdSession::say(quint64 number, char terminator, const QByteArray &text)
{
    const QByteArray prefix = number == 0 ? QByteArray() : QByteArray::number(number) + ": ";
    if (isAlive() && !m_socket.send(prefix + text + terminator))
        end();
}

//! What the client has done cannot be gone on with.
void ClamdSession::breach(const QByteArray &text)
{
    reply(text);
    endCommands();
}

//! Nothing more is taken; what was taken as a whole is still answered.
void ClamdSession::endCommands()
{
    if (!isAlive())
        return;
    m_state = State::Over;
    if (m_arriving != 0)
        drop(std::exchange(m_arriving, 0));
}

void ClamdSession::end()
{
    if (std::exchange(m_state, State::Ended) == State::Ended)
        return;
    m_socket.setReading(false);
    m_arriving = 0;
    m_copying = 0;
    giveUpCopy();
    m_walk.reset();
    while (!m_scans.empty())
        drop(m_scans.begin()->first);
    Q_EMIT ended();
}

} // namespace Sentinel
