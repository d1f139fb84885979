// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/SharedRoom.h"

#include <mutex>

namespace Sentinel {

//! \brief The bytes of memory that all spools together may take. One origin gets at most half of
//! what the others leave: its further downloads are kept on disk.
//!
//! Owner:  shared by the spools that count against it.
//! Thread: any (locked).
class SECURITYTAP_EXPORT SpoolBudget {
public:
    explicit SpoolBudget(qint64 limitBytes) : m_room(limitBytes) { }
    Q_DISABLE_COPY_MOVE(SpoolBudget)

    //! Takes \p bytes for \p origin (shareKeyOf(); 0: none) if they are within its share; false
    //! (and nothing taken) otherwise.
    bool tryReserve(qint64 bytes, quint64 origin = 0);
    //! Gives back what was reserved.
    void release(qint64 bytes, quint64 origin = 0);
    qint64 usedBytes() const;
    qint64 limitBytes() const { return m_room.limit(); }

private:
    mutable std::mutex m_mutex;
    SharedRoom m_room;
};

} // namespace Sentinel
