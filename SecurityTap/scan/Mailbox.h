// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QObject>

#include <functional>
#include <memory>

namespace Sentinel {

//! \brief The way out of the workers: posts functions to the event loop of a QObject that may be
//! destroyed at the same moment.
//!
//! A bare queued invokeMethod (with or without QPointer) crashes when its context dies while it is
//! being posted. Here the target is only touched under a lock that its destruction also takes.
//! A function runs on the target's thread, in the order of posting, or is dropped with the target.
//! It must not throw; one that does is logged, and the next one runs.
//!
//! Owner:  copies share one box; the box does not own its target.
//! Thread: post() any; the constructor wherever the target cannot die meanwhile.
//! Limits: one connection of the target for each box, until the last copy is gone.
//!         QObject::disconnect() of all of the target's signals closes its boxes.
class SECURITYTAP_EXPORT Mailbox {
public:
    explicit Mailbox(QObject *target);

    //! Queues \p letter for the target's event loop. False if the target is gone (or was null): the
    //! letter is then destroyed here.
    bool post(std::function<void()> letter) const;

private:
    struct Core;
    struct Watch;
    static void wake(const std::shared_ptr<Core> &core);
    static void deliver(Core &core);
    std::shared_ptr<Core> m_core;
    std::shared_ptr<const Watch> m_watch; // shared by the copies alone
};

} // namespace Sentinel
