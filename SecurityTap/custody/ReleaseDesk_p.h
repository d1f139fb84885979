// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/custody/CustodySettings.h"

#include <expected>
#include <functional>
#include <memory>

namespace Sentinel {

//! \brief The part of a Custody that has on record what is released: on a thread of its own, as
//! downloads wait for it just before they appear.
//!
//! Owner:  the Custody, on a thread for it.
//! Thread: one. Blocks.
class ReleaseDesk {
public:
    template <typename T>
    using Result = std::expected<T, QString>; // the error is for people
    //! There are too many that are owed a scan: this one is given up.
    using Dropped = std::function<void(const ReleaseRecord &release)>;

    ReleaseDesk(CustodySettings settings, Dropped dropped);
    ~ReleaseDesk();
    Q_DISABLE_COPY_MOVE(ReleaseDesk)

    //! The id that the history knows it by; 0: it is not kept.
    Result<qint64> record(const ReleaseRecord &release);
    //! \p release is about to appear at its path, and is owed a scan from \p dueAt on. Its id.
    Result<qint64> promise(const ReleaseRecord &release, const QDateTime &dueAt);
    //! It is there, and its scan is due; or, without a path, it is nowhere.
    Result<void> keep(const ReleaseRecord &release);

    //! Closes what is open, on the thread that has opened it.
    void close();

private:
    ReleaseHistory &history();

    const CustodySettings m_settings;
    const Dropped m_dropped;
    std::unique_ptr<ReleaseHistory> m_history;
};

} // namespace Sentinel
