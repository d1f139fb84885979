// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"

#include <QObject>
#include <QSocketNotifier>

#include <memory>

namespace Sentinel {

//! \brief SIGINT and SIGTERM as a signal of the event loop. The second one ends the process as
//! usual.
//!
//! Owner:  the command; one in a process.
//! Thread: owner.
//! Limits: two descriptors.
class SignalWatch final : public QObject {
    Q_OBJECT

public:
    SignalWatch();
    //! Leaves the signals as the system has them by default.
    ~SignalWatch() override;

Q_SIGNALS:
    void interrupted();

private:
    FileDescriptor m_reader;
    FileDescriptor m_writer;
    std::unique_ptr<QSocketNotifier> m_notifier;
};

} // namespace Sentinel
