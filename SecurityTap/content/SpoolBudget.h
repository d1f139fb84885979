// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QtCore/qglobal.h>

#include <atomic>

namespace Sentinel {

//! \brief The bytes of memory that all spools together may take.
//!
//! Owner:  shared by the spools that count against it.
//! Thread: any.
class SECURITYTAP_EXPORT SpoolBudget {
public:
    explicit SpoolBudget(qint64 limitBytes) : m_limit(limitBytes) { }
    Q_DISABLE_COPY_MOVE(SpoolBudget)

    //! Takes \p bytes if they are within the limit; false (and nothing taken) otherwise.
    bool tryReserve(qint64 bytes);
    //! Gives back what was reserved.
    void release(qint64 bytes);
    qint64 usedBytes() const { return m_used.load(std::memory_order_relaxed); }
    qint64 limitBytes() const { return m_limit; }

private:
    const qint64 m_limit;
    std::atomic<qint64> m_used{0};
};

} // namespace Sentinel
