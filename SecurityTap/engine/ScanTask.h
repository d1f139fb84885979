// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/Deadline.h"
#include "ipc/ScanResult.h"

#include <functional>

namespace Sentinel {

//! \brief How much a task may do before it gives its worker back.
struct SliceBudget {
    Deadline until = noDeadline;
    //! True once nobody wants the result any more; asked between two windows.
    std::function<bool()> isAbandoned = {};
    //! Told of a threat that is found but still to be confirmed: the answer, should the deadline
    //! pass meanwhile. A threat must not be released because its confirmation takes long.
    std::function<void(ScanResult)> suspect = {};
    //! For a task that waits for somebody else: keeps what ends that wait, to be called by any
    //! thread once nobody wants the result any more (at once, if that is so already). Until it is
    //! replaced, by null in the end; after that it is not called and nobody is in it.
    std::function<void(std::function<void()>)> setInterrupt = {};

    bool isUsedUp() const { return Clock::now() >= until || (isAbandoned && isAbandoned()); }
};

//! \brief A scan under way, done in slices.
//!
//! Owner:  the ScanRequest.
//! Thread: one at a time, each slice on any; destroyed on any.
class SECURITYTAP_EXPORT ScanTask {
public:
    enum class Progress : quint8 {
        More, //!< the budget is used up, there is more to do
        Starved, //!< waits for more content (or for another scan of the same): wake it, then step
                 //!< again
        Done, //!< takeResult() has the result
    };

    virtual ~ScanTask() = default;

    //! Works until \p budget is used up, the content that has arrived is, or the scan is done.
    //! Overruns the budget by at most one window, except for the evaluation and the confirmation
    //! of a finding, which libyara cannot interrupt.
    virtual Progress step(const SliceBudget &budget) = 0;

    //! The result, once step() has returned Done.
    virtual ScanResult takeResult() = 0;
};

} // namespace Sentinel
