// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QByteArray>
#include <QStringList>

namespace Sentinel {

//! \brief How far a scan looked. A Clean verdict is made from a complete Coverage and nothing else.
struct Coverage {
    qint64 bytesTotal = -1; //!< size of the content; -1 while it is not known, or nobody has looked
    qint64 bytesScanned = 0; //!< bytes from the start that every engine has seen
    QStringList engines; //!< engines that ran to their end, e.g. "yara 4.2.3"
    QStringList limitsHit; //!< limits that left something unseen, named for people
    QByteArray ruleSetDigest; //!< SHA-256 (32 raw bytes) of the rule set in use
    qint64 membersScanned = 0; //!< of archives, at any depth: each of them as a whole
    //! Kinds of parts that nobody here can take out, e.g. "streams in a PDF document": scanned as
    //! the bytes they are, and no reason against Clean.
    QStringList notLookedInto;
    int findingsOmitted = 0; //!< findings beyond the bound; the worst ones are kept
    bool wholeEvaluated = false; //!< the rules' conditions were evaluated on the complete content

    //! True if nothing of the content was left unseen: each byte, and each member of an archive.
    SENTINELIPC_EXPORT bool isComplete() const;

    friend bool operator==(const Coverage &, const Coverage &) = default;
};

} // namespace Sentinel
