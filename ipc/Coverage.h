// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"

#include <QByteArray>
#include <QStringList>

#include <vector>

namespace Sentinel {

//! \brief An engine that was to look at a content, and did not to the end.
struct EngineGap {
    enum class Kind : quint8 {
        NotAsked, //!< it is not for contents like this one
        Optional, //!< it failed, and may
        Required, //!< it failed: nothing is Clean without it
    };
    QString engine; //!< "clamd"
    Kind kind = Kind::Required;
    QString why; //!< for people

    friend bool operator==(const EngineGap &, const EngineGap &) = default;
};

//! \brief The name as it stands in JSON: "NotAsked", ...
SENTINELIPC_EXPORT QString nameOf(EngineGap::Kind kind);

//! \brief How far a scan looked. A Clean verdict is made from a complete Coverage and nothing else.
struct Coverage {
    qint64 bytesTotal = -1; //!< size of the content; -1 while it is not known, or nobody has looked
    qint64 bytesScanned = 0; //!< bytes from the start that every engine has seen
    QStringList engines; //!< engines that ran to their end, e.g. "yara 4.2.3"
    std::vector<EngineGap> gaps; //!< the engines that did not
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
    //! True if an engine failed, whether it had to look or not.
    SENTINELIPC_EXPORT bool hasFailedEngine() const;

    friend bool operator==(const Coverage &, const Coverage &) = default;
};

} // namespace Sentinel
