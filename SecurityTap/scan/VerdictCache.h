// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/Deadline.h"
#include "ipc/ScanResult.h"

#include <QByteArray>

#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace Sentinel {

//! \brief Remembers verdicts, and lets identical downloads in flight share one scan.
//!
//! The key is everything a verdict depends on (see key()). Whoever asks first for a key that
//! is not known leads: it scans, and must settle() the key. Others follow: they are called back
//! when the leader settles, and ask again. NotScanned is not remembered (but for a content that has
//! crashed its engine), so the first follower of a leader that failed leads next.
//!
//! Thread: any (locked); callbacks run on the settling thread, outside of the lock.
class SECURITYTAP_EXPORT VerdictCache {
public:
    struct Settings {
        int maxEntries = Limits::maxCachedVerdicts;
        std::chrono::milliseconds timeToLive = Limits::verdictTimeToLive;
        bool enabled = true; //!< off: everybody leads, nothing is remembered
    };
    enum class Role : quint8 {
        Hit, //!< the result is known
        Leader, //!< scan it, then settle()
        Follower, //!< another scan of the same is under way; called back when it is settled
    };
    struct Answer {
        Role role = Role::Leader;
        std::optional<ScanResult> result; //!< set exactly for Hit
    };
    struct Statistics {
        quint64 hits = 0;
        quint64 misses = 0;
        quint64 shared = 0; //!< times somebody followed
        int entries = 0;
    };

    explicit VerdictCache(Settings settings);
    Q_DISABLE_COPY_MOVE(VerdictCache)

    //! The key of a verdict: SHA-256 over the content's SHA-256, the rule set's digest and all else
    //! that rules can see or that bounds the scan (names, types, limits), each by its length.
    static QByteArray key(const QByteArray &contentSha256, const QByteArray &ruleSetDigest,
        const QByteArrayList &visible);

    //! Asks for \p key. \p onSettled is kept and called once only if the role is Follower.
    Answer ask(const QByteArray &key, std::function<void()> onSettled);
    //! The leader of \p key ends: with a verdict, which is remembered, or without (nullopt or
    //! NotScanned). Calls every follower back, in the order of their asking.
    void settle(const QByteArray &key, const std::optional<ScanResult> &result);
    //! Forgets all verdicts; scans in flight go on.
    void clear();
    Statistics statistics() const;

private:
    void remember(const QByteArray &key, const ScanResult &result);

    struct Remembered {
        ScanResult result;
        Deadline expires;
        std::list<QByteArray>::iterator age;
    };
    struct KeyHash {
        size_t operator()(const QByteArray &key) const { return qHash(key); }
    };

    const Settings m_settings;
    mutable std::mutex m_mutex;
    std::unordered_map<QByteArray, Remembered, KeyHash> m_remembered;
    std::list<QByteArray> m_byAge; // least recently used first
    std::unordered_map<QByteArray, std::vector<std::function<void()>>, KeyHash> m_inFlight;
    Statistics m_statistics;
};

} // namespace Sentinel
