// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

namespace Sentinel {

//! \brief Keeps everybody from writing to a file while it lives: a read lease (fcntl(2),
//! F_SETLEASE).
//!
//! The kernel grants it only if nobody has the file open, or mapped, for writing; who opens it for
//! writing or shortens it afterwards waits until the lease ends, at most as long as
//! /proc/sys/fs/lease-break-time says (45 s).
//!
//! Owner:  who opened the descriptor, which outlives this.
//! Thread: any.
class SECURITYTAP_EXPORT FileLease {
public:
    enum class State : quint8 {
        Held, //!< nobody can write
        Busy, //!< somebody has the file open for writing, or waits to
        Unsupported, //!< the file system has no leases, or the descriptor is not for reading only
    };

    explicit FileLease(int descriptor);
    ~FileLease();
    Q_DISABLE_COPY_MOVE(FileLease)

    //! As it is now: one that is Held becomes Busy when somebody wants to write.
    State state() const;

private:
    const int m_descriptor;
    State m_granted = State::Unsupported;
};

} // namespace Sentinel
