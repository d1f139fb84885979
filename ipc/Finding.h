// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/IpcExport.h"
#include "ipc/Verdict.h"

#include <QString>
#include <QStringList>
#include <QVariant>

#include <vector>

namespace Sentinel {

//! \brief One place where a string of a rule was found.
struct StringMatch {
    QString identifier; //!< "$a"
    qint64 offset = 0; //!< bytes from the start of the content, or of the member
    qint64 length = 0; //!< bytes

    friend bool operator==(const StringMatch &, const StringMatch &) = default;
};

//! \brief One hit: a rule that matched, with what the rule says of itself.
//!
//! Bounded: Limits::maxStringsPerFinding places are kept, the rest is counted.
struct Finding {
    QString engine; //!< "yara"
    //! Where in an archive: "inner.tar!setup.exe"; empty for the content itself. Printable, at most
    //! IpcLimits::maxMemberBytes.
    QString member;
    QString rule; //!< rule identifier
    QString ruleNamespace; //!< the rule file, relative to its directory
    QStringList tags;
    std::vector<std::pair<QString, QVariant>> meta; //!< in the rule's order: string, qint64 or bool
    std::vector<StringMatch> strings; //!< by string, then by offset
    qint64 stringsOmitted = 0; //!< matches that were not kept
    Severity severity = Severity::Malicious;

    friend bool operator==(const Finding &, const Finding &) = default;
};

//! \brief "EICAR_Test_File (eicar.yar)", or "EICAR_Test_File (eicar.yar) in
//! outer.zip!inner.tar!x.exe": how a finding is named to people. \p file: the name of what was
//! scanned, if it is to be said.
SENTINELIPC_EXPORT QString displayName(const Finding &finding, const QString &file = {});

} // namespace Sentinel
