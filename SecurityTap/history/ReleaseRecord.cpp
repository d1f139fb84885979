// SPDX-License-Identifier: MIT
#include "SecurityTap/history/ReleaseRecord.h"

namespace Sentinel {

bool owesScan(const ScanResult &result)
{
    switch (result.reason()) {
    case Reason::QueueFull:
    case Reason::ScannerUnavailable:
    case Reason::TimedOut:
    case Reason::EngineError:
    case Reason::EngineCrashed:
    case Reason::Unreadable:
        return true;
    case Reason::None:
    case Reason::TooLarge:
    case Reason::LimitHit:
    case Reason::Encrypted:
    case Reason::Damaged:
    case Reason::PartialContent:
    case Reason::Incomplete:
    case Reason::Cancelled:
        return false;
    }
    Q_UNREACHABLE();
}

QString nameOf(ReleaseRecord::Ending ending)
{
    switch (ending) {
    case ReleaseRecord::Ending::None:
        return QStringLiteral("None");
    case ReleaseRecord::Ending::Scanned:
        return QStringLiteral("Scanned");
    case ReleaseRecord::Ending::Changed:
        return QStringLiteral("Changed");
    case ReleaseRecord::Ending::Gone:
        return QStringLiteral("Gone");
    case ReleaseRecord::Ending::GivenUp:
        return QStringLiteral("GivenUp");
    }
    Q_UNREACHABLE();
}

} // namespace Sentinel
