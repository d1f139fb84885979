// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/quarantine/QuarantineError.h"
#include "SecurityTap/quarantine/QuarantineRecord.h"
#include "ipc/FileDescriptor.h"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace Sentinel {

class QuarantineFolder;

//! \brief How much a quarantine keeps. What would go beyond is refused, never makes room for
//! itself.
struct QuarantineLimits {
    int items = Limits::maxQuarantineItems;
    qint64 bytes = Limits::maxQuarantineBytes; //!< of all contents, as they lie on the disk
    qint64 itemBytes = Limits::maxQuarantineItemBytes; //!< of one content
};

//! \brief A content in quarantine.
struct QuarantineItem {
    QString id; //!< 32 hexadecimal digits, random
    QuarantineRecord record;

    friend bool operator==(const QuarantineItem &, const QuarantineItem &) = default;
};

struct QuarantineListing {
    std::vector<QuarantineItem> items; //!< the oldest first
    std::vector<QuarantineError> unreadable; //!< one for each item that cannot be told about
};

//! \brief Where an item is to be copied to, and why.
struct QuarantineRestore {
    QString directory; //!< its whole path; it exists
    QString name; //!< one component; nothing has this name
    QString reason; //!< of who restores it; not empty
};

//! \brief What is to go. The items that are too old; then the oldest, until the others fit.
struct QuarantinePurge {
    std::optional<std::chrono::seconds> olderThan;
    std::optional<qint64> keepBytes; //!< of contents, before they were encrypted
    std::optional<int> keepItems;
};

struct QuarantinePurged {
    std::vector<QuarantineItem> gone;
    std::vector<QuarantineError> problems; //!< of what could not be deleted
};

//! \brief The contents that are kept where they can do no harm: encrypted, under names of ours, in
//! a directory of their user alone.
//!
//! An item is there as a whole or not at all, also when the process is killed or the disk fails
//! meanwhile, and it is proved to be what was stored whenever it is used (docs/quarantine.md).
//!
//! Owner:  anybody.
//! Thread: any, and several processes at once. Blocks: each call, for the disk, and take() for
//!         other processes that begin an item at the same moment.
//! Limits: QuarantineLimits; one descriptor, a few more during a call.
class SECURITYTAP_EXPORT Quarantine {
public:
    template <typename T>
    using Result = std::expected<T, QuarantineError>;

    //! Reads up to \p target's size of bytes from \p offset on: their number, 0 at the end, or what
    //! went wrong, for people. May be asked for the same bytes twice.
    using ReadAt =
        std::function<std::expected<qint64, QString>(std::span<char> target, qint64 offset)>;

    //! Opens or makes the quarantine in \p directory, an absolute path, and clears up after
    //! processes that were killed: what they had stored as a whole is an item, the rest goes.
    static Result<std::unique_ptr<Quarantine>> open(
        const QString &directory, QuarantineLimits limits = {});
    ~Quarantine();
    Q_DISABLE_COPY_MOVE(Quarantine)

    //! Stores the first \p sizeBytes of the regular file \p content (Spool::openReadOnly()), which
    //! must have the SHA-256 of \p record if that has one. The disk has it when this returns. On an
    //! error nothing is stored, with one exception: NotConfirmed.
    Result<QuarantineItem> take(
        const FileDescriptor &content, qint64 sizeBytes, QuarantineRecord record) const;
    Result<QuarantineItem> take(
        const ReadAt &read, qint64 sizeBytes, QuarantineRecord record) const;

    //! Does not read the contents.
    Result<QuarantineListing> list() const;
    Result<QuarantineItem> find(const QString &id) const;

    //! Copies the content out, in one step, once all of it is proved to be what was taken. The item
    //! stays. Returns the path of the file.
    Result<QString> restore(const QString &id, const QuarantineRestore &to) const;

    //! Deletes the item, also a damaged one.
    Result<void> remove(const QString &id) const;
    //! Deletes what \p purge says. Damaged items stay.
    Result<QuarantinePurged> purge(const QuarantinePurge &purge, const QDateTime &now) const;

private:
    struct Begun;
    struct Opened;

    Quarantine(std::unique_ptr<QuarantineFolder> folder, QuarantineLimits limits);
    Result<Begun> begin(qint64 sizeBytes) const;
    Result<Opened> openItem(const QByteArray &id) const;
    void recover() const;

    const std::unique_ptr<QuarantineFolder> m_folder;
    const QuarantineLimits m_limits;
};

} // namespace Sentinel
