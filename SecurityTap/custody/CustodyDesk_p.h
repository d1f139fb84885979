// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditLog.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/history/LateThreat.h"

#include <memory>
#include <vector>

namespace Sentinel {

//! \brief The part of a Custody that puts away and writes down: it has the quarantine and the audit
//! log, and opens each when it is needed, again and again if that fails.
//!
//! Owner:  the Custody, on a thread for it.
//! Thread: one. Blocks.
class CustodyDesk {
public:
    template <typename T>
    using Result = std::expected<T, QString>; // the error is for people

    explicit CustodyDesk(CustodySettings settings);
    ~CustodyDesk();
    Q_DISABLE_COPY_MOVE(CustodyDesk)

    //! The item's id.
    Result<QString> quarantine(const Content &content, QuarantineRecord record);
    struct Taken {
        QString item; //!< its id
        QString trouble; //!< for people: why the file is still there; empty: it is gone
    };
    struct NotTaken {
        QString text; //!< for people
        bool isFinal = false; //!< or else it may work another time
    };
    //! The same of a file that was released. It is gone afterwards, if nobody has changed it or
    //! put another in its place.
    std::expected<Taken, NotTaken> quarantine(const LateThreat &threat, QuarantineRecord record);

    Result<void> note(const AuditEvent &event);

    //! Closes all that is open, on the thread that has opened it.
    void close();

private:
    Result<Quarantine *> openQuarantine();

    const CustodySettings m_settings;
    std::unique_ptr<Quarantine> m_quarantine;
    std::unique_ptr<AuditLog> m_audit;
};

} // namespace Sentinel
