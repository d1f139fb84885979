// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/policy/Policy.h"
#include "SecurityTap/policy/PolicyException.h"
#include "SecurityTap/policy/PolicyFacts.h"

#include <QDateTime>
#include <QString>

#include <chrono>
#include <span>

namespace Sentinel {

//! \brief What is done with one download, and what has decided it.
struct Decision {
    enum class By : quint8 {
        Content, //!< there is nothing whole that could be released
        Exception,
        Clause,
        Default, //!< of the verdict, or of the reason
    };

    Disposition disposition = Disposition::Block;
    By by = By::Content;
    int clause = -1; //!< its place in Policy::clauses
    QString exception; //!< its id
    //! How long to wait for a free slot, and to ask again with what has come of that; then the
    //! disposition takes effect.
    std::chrono::milliseconds hold{0};
    QString name; //!< "clause 2", "exception 1a2b3c4d", "default for TooLarge", "no whole content"
    QString text; //!< the same in a sentence for people, without a full stop; not made printable
};

//! \brief The decision: a pure function, the only place where one is made.
//!
//! In this order: what is not whole is blocked; an exception releases what was found or, if it says
//! so, not scanned; the first clause that fits decides; else the default.
//!
//! Thread: any.
SECURITYTAP_EXPORT Decision decide(const Policy &policy, const PolicyFacts &facts,
    std::span<const PolicyException> exceptions, const QDateTime &now);

} // namespace Sentinel
