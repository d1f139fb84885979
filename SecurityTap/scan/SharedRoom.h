// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

#include <unordered_map>

namespace Sentinel {

//! \brief A bounded amount of something that several share: each may have at most half of what the
//! others leave (Limits::queueShare), so that whoever takes all he can get leaves some for the
//! next.
//!
//! Thread: one at a time.
//! Limits: an entry for each who has something.
class SECURITYTAP_EXPORT SharedRoom {
public:
    explicit SharedRoom(qint64 limit) : m_limit(limit) { }

    //! Takes \p amount for \p who (a share key; 0: bound by the whole only) if there is room for
    //! it; false, and nothing taken, otherwise. Who has nothing may have one of anything that fits.
    bool tryTake(qint64 amount, quint64 who);
    //! Gives back what was taken.
    void giveBack(qint64 amount, quint64 who);

    qint64 used() const { return m_used; }
    qint64 limit() const { return m_limit; }

private:
    const qint64 m_limit;
    qint64 m_used = 0;
    std::unordered_map<quint64, qint64> m_shares;
};

} // namespace Sentinel
