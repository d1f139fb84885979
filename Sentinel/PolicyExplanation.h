// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/policy/Decision.h"
#include "SecurityTap/policy/PolicyExceptions.h"

#include <QByteArray>
#include <QStringList>

#include <expected>
#include <vector>

namespace Sentinel {

class CommandLine;

//! \brief A decision, and what became of every exception and clause on the way to it.
class PolicyExplanation {
public:
    PolicyExplanation(const Policy &policy, const PolicyFacts &facts,
        const PolicyExceptions::List &exceptions, const QDateTime &now);

    //! For people; not made printable.
    QStringList lines() const;
    //! One object.
    QByteArray toJson() const;

private:
    //! One that was asked, or not.
    struct Asked {
        QString name; //!< "clause 2"
        QString text; //!< what it says
        QString outcome; //!< what became of it
        bool decides = false;
    };

    PolicyFacts m_facts;
    Decision m_decision;
    std::vector<Asked> m_exceptions;
    std::vector<Asked> m_clauses;
};

//! \brief What the options of `policy explain` say of a download; the error is for people.
std::expected<PolicyFacts, QString> factsOf(const CommandLine &line);

//! \brief The clauses that --clause says.
std::expected<std::vector<PolicyClause>, QString> clausesOf(const CommandLine &line);

//! \brief A SHA-256 as people write it, 64 hexadecimal digits, in 32 bytes.
std::expected<QByteArray, QString> sha256Of(const QByteArray &text);

} // namespace Sentinel
