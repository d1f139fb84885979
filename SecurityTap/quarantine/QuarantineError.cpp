// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/QuarantineError.h"

#include <cerrno>

namespace Sentinel {

QuarantineError quarantineSystemError(int errorNumber, const QString &what)
{
    using Code = QuarantineError::Code;
    const auto said = [&](Code code, const char *advice) {
        return QuarantineError{code,
            QStringLiteral("%1 (%2); %3")
                .arg(what, qt_error_string(errorNumber), QLatin1StringView(advice)),
            {}};
    };
    switch (errorNumber) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return said(Code::NoSpace, "free some space, for example by: sentinel quarantine purge");
    case EACCES:
    case EPERM:
    case EROFS:
        return said(Code::NoAccess, "make the directory writable for its user");
    case EMFILE:
    case ENFILE:
        return said(Code::Failed, "raise the limit of open files (ulimit -n)");
    case EIO:
        return said(Code::Failed, "look after the disk");
    default:
        return said(Code::Failed, "look after the directory and its disk");
    }
}

QuarantineError aboutQuarantineItem(const QByteArray &id, QuarantineError error)
{
    error.item = QString::fromLatin1(id);
    error.message = QStringLiteral("Quarantined item %1: %2").arg(error.item, error.message);
    return error;
}

} // namespace Sentinel
