// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

namespace Sentinel {

//! \brief Why the quarantine could not do what it was asked for.
struct QuarantineError {
    enum class Code : quint8 {
        NotFound, //!< there is no such item
        Damaged, //!< an item or the key is not as it was stored
        NoKey, //!< there are items, but not the key that they were stored with
        Full, //!< a limit of the store
        TooLarge, //!< a limit of one item
        NoSpace, //!< the disk or the quota is full
        NoAccess, //!< the system does not allow it, or the disk can only be read
        Exists, //!< a file of that name is there, and none is ever replaced
        Changed, //!< the content to be stored is not the one that its record describes
        Refused, //!< the request lacks something: a reason, a place, a name
        NotConfirmed, //!< done, but the disk has not said that it will last
        Failed, //!< any other refusal of the system
    };
    Code code = Code::Failed;
    QString message; //!< what happened, to which item, and what to do; fit to be printed
    QString item; //!< its id; empty if it is not about one
};

//! \brief The error of the system call that has just failed. \p what: what could not be done, as in
//! "cannot write its content".
QuarantineError quarantineSystemError(int errorNumber, const QString &what);

//! \brief \p error, said of the item \p id.
QuarantineError aboutQuarantineItem(const QByteArray &id, QuarantineError error);

} // namespace Sentinel
