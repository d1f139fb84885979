// SPDX-License-Identifier: MIT
#include "ipc/Reason.h"

namespace Sentinel {

namespace {

struct ReasonText {
    const char *name;
    const char *explanation;
};

ReasonText text(Reason reason)
{
    switch (reason) {
    case Reason::None:
        return {"None", "scanned"};
    case Reason::QueueFull:
        return {"QueueFull", "too many downloads were waiting to be scanned"};
    case Reason::ScannerUnavailable:
        return {"ScannerUnavailable", "no scanner was available"};
    case Reason::TimedOut:
        return {"TimedOut", "the scan did not end before its deadline"};
    case Reason::TooLarge:
        return {"TooLarge", "larger than the largest scan"};
    case Reason::LimitHit:
        return {"LimitHit", "a limit of the scan engine was reached"};
    case Reason::Encrypted:
        return {"Encrypted", "part of the content is encrypted"};
    case Reason::Damaged:
        return {"Damaged", "part of the content is damaged or missing"};
    case Reason::EngineError:
        return {"EngineError", "the scan engine reported an error"};
    case Reason::EngineCrashed:
        return {"EngineCrashed", "the scan engine crashed on this content"};
    case Reason::Unreadable:
        return {"Unreadable", "the content could not be read or stored"};
    case Reason::PartialContent:
        return {"PartialContent", "only a part of the file was transferred"};
    case Reason::Incomplete:
        return {"Incomplete", "the transfer ended before its content was complete"};
    case Reason::Cancelled:
        return {"Cancelled", "cancelled before a verdict was reached"};
    }
    Q_UNREACHABLE();
}

} // namespace

QString nameOf(Reason reason)
{
    return QString::fromLatin1(text(reason).name);
}

std::optional<Reason> reasonNamed(const QString &name)
{
    for (const Reason reason : allReasons) {
        if (name.compare(nameOf(reason), Qt::CaseInsensitive) == 0)
            return reason;
    }
    return std::nullopt;
}

QString explanation(Reason reason)
{
    return QString::fromLatin1(text(reason).explanation);
}

} // namespace Sentinel
