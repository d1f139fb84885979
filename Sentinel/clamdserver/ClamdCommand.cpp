// SPDX-License-Identifier: MIT
#include "Sentinel/clamdserver/ClamdCommand.h"

#include <QByteArrayList>

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

using Verb = ClamdCommand::Verb;
using Framing = ClamdCommand::Framing;
using Extent = ClamdCommand::Extent;

struct Known {
    const char *name;
    Verb verb;
    bool isAlsoBare; // clamd takes it without a letter in front of it
    bool isForSessions;
    std::optional<Extent> extent = {}; // of those that take a path
};

constexpr std::array known{
    Known{"PING", Verb::Ping, true, true},
    Known{"VERSION", Verb::Version, true, true},
    Known{"VERSIONCOMMANDS", Verb::VersionCommands, false, true},
    Known{"STATS", Verb::Stats, false, true},
    Known{"INSTREAM", Verb::Instream, false, true},
    Known{"FILDES", Verb::Fildes, false, true},
    Known{"IDSESSION", Verb::IdSession, false, false},
    Known{"END", Verb::End, false, true},
    Known{"RELOAD", Verb::Reload, true, false},
    Known{"SHUTDOWN", Verb::Shutdown, true, false},
    Known{"QUIT", Verb::Shutdown, true, false},
    Known{"SCAN", Verb::ScanPath, true, true, Extent::FirstThreat},
    Known{"CONTSCAN", Verb::ScanPath, true, false, Extent::EachFile},
    Known{"MULTISCAN", Verb::ScanPath, true, false, Extent::EachFile},
    Known{"ALLMATCHSCAN", Verb::ScanPath, false, false, Extent::FirstFindings},
};

//! What stands between the letter and the end.
ClamdCommand parsed(QByteArrayView text, Framing framing)
{
    ClamdCommand command;
    command.framing = framing;
    const qsizetype space = text.indexOf(' ');
    const QByteArrayView name = space < 0 ? text : text.first(space);
    const auto *const found =
        std::ranges::find_if(known, [name](const Known &each) { return name == each.name; });
    if (found == known.end() || found->extent.has_value() != (space >= 0)
        || (framing == Framing::Bare && !found->isAlsoBare))
        return command;
    command.verb = found->verb;
    command.isForSessions = found->isForSessions;
    if (found->extent) {
        command.extent = *found->extent;
        command.path = text.sliced(space + 1).toByteArray();
    }
    return command;
}

QByteArrayView withoutLineEnd(QByteArrayView text)
{
    while (!text.isEmpty() && (text.back() == '\n' || text.back() == '\r'))
        text.chop(1);
    return text;
}

} // namespace

std::optional<TakenClamdCommand> takeClamdCommand(QByteArrayView bytes)
{
    if (bytes.isEmpty())
        return std::nullopt;
    if (bytes.front() != 'n' && bytes.front() != 'z')
        return TakenClamdCommand{parsed(withoutLineEnd(bytes), Framing::Bare), bytes.size()};
    const bool isLine = bytes.front() == 'n';
    const qsizetype end = bytes.indexOf(isLine ? '\n' : '\0');
    if (end < 0)
        return std::nullopt;
    const QByteArrayView text = bytes.sliced(1, end - 1);
    return TakenClamdCommand{
        isLine ? parsed(withoutLineEnd(text), Framing::Newline) : parsed(text, Framing::Zero),
        end + 1};
}

QByteArray clamdCommandNames(const std::function<bool(ClamdCommand::Verb)> &isServed)
{
    QByteArrayList names;
    for (const Known &each : known) {
        if (isServed(each.verb))
            names.append(each.name);
    }
    return names.join(' ');
}

} // namespace Sentinel
