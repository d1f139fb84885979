// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/policy/Decision.h"
#include "SecurityTap/policy/PolicyExceptions.h"

#include <QByteArray>
#include <QJsonObject>

#include <array>
#include <expected>

namespace Sentinel {

class Output;

//! \brief Decides anew on the decisions of an audit log, and tells what would be different.
//!
//! What a log does not keep is taken as it usually is: a threat was found in a content that was
//! seen as a whole, and of TooLarge more was to come. Of private downloads it has no origin.
//!
//! Owner:  the command.
//! Thread: owner. Blocks: for the disk.
//! Limits: one line at a time, of Limits::maxReplayLineBytes.
class PolicyReplay {
public:
    enum class Form : quint8 { Text, Json };

    //! \p output outlives this.
    PolicyReplay(Policy policy, PolicyExceptions::View exceptions, Form form, Output &output);

    //! Tells each decision of the file \p path that would be another. The error, for people: it
    //! cannot be read.
    std::expected<void, QString> read(const QByteArray &path);
    //! Tells how many there were of each kind.
    void sum();

    qint64 changes() const;
    //! Lines that are no event, or one that does not say what was decided; the first are named.
    qint64 brokenLines() const { return m_broken; }

private:
    using Counts = std::array<std::array<qint64, allDispositions.size()>, allDispositions.size()>;

    void takeLine(const QByteArray &line);
    void tellChange(const QJsonObject &event, const PolicyFacts &facts, Disposition before,
        const Decision &after);
    void noteBroken(const QString &what);

    const Policy m_policy;
    const PolicyExceptions::View m_exceptions;
    const Form m_form;
    const QDateTime m_now = QDateTime::currentDateTimeUtc();
    Output &m_output;
    qint64 m_line = 0;
    qint64 m_broken = 0;
    Counts m_counts{}; // before, after
};

//! \brief What an event of an audit log says of a decision, and what was decided; the error says
//! what is missing.
struct LoggedDecision {
    PolicyFacts facts;
    Disposition disposition = Disposition::Block;

    static std::expected<LoggedDecision, QString> of(const QJsonObject &event);
};

} // namespace Sentinel
