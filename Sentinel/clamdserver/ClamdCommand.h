// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QByteArrayView>

#include <functional>
#include <optional>

namespace Sentinel {

//! \brief One command of clamd's protocol, as a client has framed it.
struct ClamdCommand {
    enum class Verb : quint8 {
        Ping,
        Version,
        VersionCommands,
        Stats,
        Instream,
        Fildes,
        IdSession,
        End,
        Reload, //!< from here on only where it is allowed
        Shutdown,
        ScanPath, //!< SCAN and its like
        Unknown,
    };
    enum class Framing : quint8 {
        Newline, //!< "nPING\n"
        Zero, //!< "zPING\0"
        Bare, //!< "PING": as much as has come at once
    };

    //! How much a client wants to know of the files below a path.
    enum class Extent : quint8 {
        FirstThreat, //!< nothing more after one (SCAN)
        FirstFindings, //!< as that, with all that is found in it (ALLMATCHSCAN)
        EachFile, //!< of each its gravest finding (CONTSCAN, MULTISCAN)
    };

    Verb verb = Verb::Unknown;
    Framing framing = Framing::Newline;
    bool isForSessions = false; //!< may stand between IDSESSION and END
    QByteArray path; //!< of ScanPath
    Extent extent = Extent::FirstThreat; //!< of ScanPath

    //! What ends its reply.
    char terminator() const { return framing == Framing::Zero ? '\0' : '\n'; }
};

//! \brief A command, and how many of the bytes were it.
struct TakenClamdCommand {
    ClamdCommand command;
    qsizetype sizeBytes = 0;
};

//! \brief The command that \p bytes, all that has come so far, begin with; none if its end has not
//! come. What is no command is one, too: Verb::Unknown.
//!
//! Thread: any.
std::optional<TakenClamdCommand> takeClamdCommand(QByteArrayView bytes);

//! \brief The names of the commands that \p isServed, for VERSIONCOMMANDS.
QByteArray clamdCommandNames(const std::function<bool(ClamdCommand::Verb)> &isServed);

} // namespace Sentinel
