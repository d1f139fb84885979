// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"

#include <QString>

#include <chrono>
#include <expected>
#include <optional>

namespace Sentinel {

//! \brief What a sentinel has from systemd, and what it tells systemd about itself.
//!
//! Where nobody supervises, nothing is told and there is no watchdog. That systemd does not hear is
//! no error either: it will find out by itself.
//!
//! Owner:  the one who made it.
//! Thread: owner; inheritedListener() before there are other threads, as it changes the
//! environment.
class ServiceNotify {
public:
    //! The socket that systemd has opened for this process; none if it has not. It is closed at
    //! exec, and children are not told of it. More than one, or one that is no listening
    //! SEQPACKET socket, is an error, which says what to do.
    std::expected<std::optional<FileDescriptor>, QString> inheritedListener();

    //! Clients may come. \p status is one line for people, as in `systemctl status`.
    void ready(const QString &status);
    //! The rules are read again; ready() follows.
    void reloading();
    //! No more clients; the end is near.
    void stopping();

    //! Within which keepAlive() has to be called, again and again: best twice as often. Zero: no
    //! watchdog.
    std::chrono::microseconds watchdogInterval() const;
    void keepAlive();
};

} // namespace Sentinel
