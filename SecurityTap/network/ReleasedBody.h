// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/Inspection.h"

#include <QPointer>

namespace Sentinel {

//! \brief Reads what an inspection releases, from its first byte on, also while it grows.
//!
//! Owner:  the reply that gives the bytes out.
//! Thread: the inspection's. Empty when the inspection is gone.
class ReleasedBody {
public:
    void setInspection(Inspection *inspection) { m_inspection = inspection; }

    //! Bytes that are here, read or not.
    qint64 sizeBytes() const { return m_inspection ? m_inspection->sizeBytes() : 0; }
    qint64 unreadBytes() const;
    //! At most \p size bytes into \p target; 0 where there are none (yet), -1 on an error.
    qint64 read(char *target, qint64 size);
    //! True if there is a line end among the unread bytes. Looks at each byte once.
    bool canReadLine() const;

private:
    QPointer<Inspection> m_inspection;
    qint64 m_offset = 0; // of the next byte to be read
    mutable qint64 m_lineSearch = 0; // there is no line end between m_offset and here
};

} // namespace Sentinel
