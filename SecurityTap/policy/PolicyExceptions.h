// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/policy/PolicyException.h"
#include "ipc/FileDescriptor.h"

#include <memory>
#include <mutex>
#include <vector>

namespace Sentinel {

//! \brief The exceptions of a user, kept in a file that several processes read and change.
//!
//! exceptions.json in the user's data directory, mode 0600. Who changes it holds a lock (flock() of
//! exceptions.lock), reads it anew, and puts a new file in its place, so that readers see the old
//! one or the new one and a process that dies changes nothing.
//!
//! A file that is broken is an error, for people, that names file and fault, and is left as it is:
//! decisions are made without exceptions then, and none can be added.
//!
//! Thread: any. Blocks: for the disk, and add() and remove() while another process writes.
//! Limits: Limits::maxPolicyExceptions, maxExceptionsFileBytes.
class SECURITYTAP_EXPORT PolicyExceptions {
public:
    using List = std::vector<PolicyException>;
    //! What has not changed since is shared.
    using View = std::shared_ptr<const List>;

    //! \p directory: StorePaths::data; need not exist yet.
    explicit PolicyExceptions(QString directory);

    //! All that are kept, also those that have expired since the last change. Costs a stat() while
    //! nothing has changed.
    std::expected<View, QString> all();
    //! Keeps \p exception, with an id of its own, instead of one that allows the same. Forgets
    //! those that have expired.
    std::expected<PolicyException, QString> add(PolicyException exception, const QDateTime &now);
    //! The one that was removed; nothing if there is none of that id.
    std::expected<std::optional<PolicyException>, QString> remove(
        const QString &id, const QDateTime &now);

    QString filePath() const;

private:
    //! Which file was read. Held open, so that no other gets its number.
    struct Source {
        FileDescriptor file;
        qint64 sizeBytes = -1;
        qint64 changedNs = 0;
    };

    std::expected<View, QString> read();
    bool isCurrent() const;
    template <typename Change>
    std::expected<void, QString> rewrite(const QDateTime &now, Change change);

    const QString m_directory;
    std::mutex m_mutex;
    Source m_source;
    std::expected<View, QString> m_view; // of m_source
};

} // namespace Sentinel
