// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QByteArrayView>

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
        Reload, //!< from here on only where it is allowed, if at all
        Shutdown,
        ScanPath, //!< SCAN and its like: path says which
        Unknown,
    };
    enum class Framing : quint8 {
        Newline, //!< "nPING\n"
        Zero, //!< "zPING\0"
        Bare, //!< "PING": as much as has come at once
    };

    Verb verb = Verb::Unknown;
    Framing framing = Framing::Newline;
    bool isForSessions = false; //!< may stand between IDSESSION and END
    QByteArray path; //!< of ScanPath

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

//! \brief The names of the commands that are served to everybody, for VERSIONCOMMANDS.
QByteArray clamdCommandNames();

} // namespace Sentinel
