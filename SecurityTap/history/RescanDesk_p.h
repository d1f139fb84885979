// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/history/LateThreat.h"
#include "SecurityTap/history/ReleaseHistory.h"

#include <deque>
#include <optional>
#include <variant>

namespace Sentinel {

//! \brief A file that is to be scanned, and its bytes, which nobody can change any more.
struct FetchedRelease {
    ReleaseHistory::Claim claim;
    std::shared_ptr<const FileDescriptor> file; //!< the released one
    std::shared_ptr<const Content> content;
    std::shared_ptr<const FileDescriptor> copy; //!< the content as a file
};

//! \brief What there is to be done.
struct NextRescan {
    std::shared_ptr<const FetchedRelease> fetched; //!< null: nothing now
    std::vector<ReleaseRecord> settled; //!< on the way: gone, changed, too large, given up
    QString trouble; //!< why it went no further; what is settled, is
    std::chrono::milliseconds due = Limits::mostRescanPause; //!< then it is worth asking again
};

//! \brief The part of re-scanning that waits for disks: claims what is owed, fetches files,
//! settles.
//!
//! Owner:  Rescans, on a thread for it.
//! Thread: one. Blocks.
//! Limits: Limits::rescansClaimed claims; the content of one file.
class RescanDesk {
public:
    using Claim = ReleaseHistory::Claim;

    struct Settlement {
        bool isOurs = false;
        std::vector<LateThreat> threats; //!< tell each, then call told()
        QString trouble; //!< about other releases of the same bytes
    };

    //! \p leastPause follows the first scan that failed; the next ones double it.
    RescanDesk(const QString &path, const ReleaseHistory::Settings &settings, qint64 maxBytes,
        std::chrono::milliseconds leastPause);
    //! Gives back all that it has claimed.
    ~RescanDesk();
    Q_DISABLE_COPY_MOVE(RescanDesk)

    ReleaseHistory &history() { return m_history; }

    NextRescan next();
    //! The scan of \p fetched came to \p result.
    std::expected<Settlement, QString> settle(
        const FetchedRelease &fetched, const ScanResult &result);
    //! The scan failed, and another may not: later, or never if it has failed too often; true then.
    std::expected<bool, QString> postpone(const FetchedRelease &fetched, const ScanResult &result);
    //! A scan of \p claim begins, after it has rested.
    std::expected<bool, QString> resume(const Claim &claim) { return m_history.begin(claim); }
    //! \p claim waits for room: that its process ends is not its fault.
    std::expected<bool, QString> rest(const Claim &claim) { return m_history.rest(claim); }
    //! \p claim is not being scanned any more: it is the next one.
    void putBack(const Claim &claim);
    //! There is no room for scans: others may have some.
    void giveBack();
    std::expected<void, QString> told(const LateThreat &threat);
    //! The releases of the bytes that \p threat was found in.
    std::expected<std::vector<LateThreat>, QString> learn(const ScanResult &threat);

private:
    using Lost = std::variant<FileLoss, Reason>;

    std::expected<bool, QString> advance(NextRescan &next);
    std::expected<FetchedRelease, Lost> fetch(const Claim &claim) const;
    std::expected<std::optional<ReleaseRecord>, QString> settleLost(
        const Claim &claim, const Lost &lost);
    std::expected<void, QString> settleOthers(
        const ScanResult &threat, std::vector<LateThreat> &threats);
    void begin(const Claim &claim);
    void drop(const Claim &claim);
    std::chrono::milliseconds pauseAfter(const ReleaseRecord &record) const;

    ReleaseHistory m_history;
    const qint64 m_maxBytes;
    const std::chrono::milliseconds m_leastPause;
    std::deque<Claim> m_claims; // not begun
    std::vector<Claim> m_begun; // being scanned or told; of each release the last claim
};

} // namespace Sentinel
