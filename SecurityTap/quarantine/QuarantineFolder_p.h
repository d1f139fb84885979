// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/quarantine/QuarantineError.h"
#include "ipc/FileDescriptor.h"

#include <QByteArrayList>

#include <expected>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief The directory of a quarantine as it lies on the disk.
//!
//!     lock             held by who begins an item, makes the key, or clears up
//!     key
//!     ID/record        an item: a directory, named by 32 hexadecimal digits
//!     ID/content
//!     ID.part/         one that is being stored; its content is locked by who does it
//!     ID.gone/         one that is being deleted
//!
//! An item comes and goes by the renaming of its directory: it is there as a whole or not at all.
//! Nothing outside is followed or touched, also if somebody puts links into the directory.
//!
//! Thread: any; blocks.
class QuarantineFolder {
public:
    using Result = std::expected<void, QuarantineError>;

    explicit QuarantineFolder(FileDescriptor directory) : m_directory(std::move(directory)) { }

    int descriptor() const { return m_directory.get(); }

    static bool isId(const QByteArray &name);
    static QByteArray rawId(const QByteArray &id) { return QByteArray::fromHex(id); }

    //! Waits for the lock, which is held until the descriptor is closed.
    std::expected<FileDescriptor, QuarantineError> lock() const;
    //! Nothing if somebody has the lock, or if nothing can be written here.
    std::optional<FileDescriptor> tryLock() const;

    //! The ids of the items, in no order.
    std::expected<QByteArrayList, QuarantineError> ids() const;
    struct Usage {
        int items = 0;
        qint64 bytes = 0; //!< of the contents, as stored, also of those that are being stored
    };
    std::expected<Usage, QuarantineError> usage() const;

    //! The directory of an item, or of what else has \p name.
    std::expected<FileDescriptor, QuarantineError> openItem(const QByteArray &name) const;
    //! One of the two files in it, for reading.
    static std::expected<FileDescriptor, QuarantineError> openFile(int item, const char *name);
    bool exists(const QByteArray &name) const;

    //! An item that is being stored.
    struct Part {
        QByteArray id;
        FileDescriptor directory;
        FileDescriptor content; //!< locked, and as large as it will be
    };
    //! Begins an item whose content will have \p contentBytes on the disk. Under the lock.
    std::expected<Part, QuarantineError> begin(qint64 contentBytes) const;
    //! A new empty file for the record, beside the content.
    static std::expected<FileDescriptor, QuarantineError> makeRecord(const Part &part);
    //! Waits until the disk has all of \p part and makes it an item.
    Result commit(const Part &part) const;
    void drop(const Part &part) const;

    //! Deletes the item; others notice at once, and the disk has it when this returns.
    Result remove(const QByteArray &id) const;

    //! The parts that nobody works at any more. Under the lock.
    std::vector<Part> abandonedParts() const;
    //! Ends the deletions that were not ended. Under the lock.
    void finishDeletions() const;

    static constexpr char recordName[] = "record";
    static constexpr char contentName[] = "content";

private:
    std::expected<QByteArrayList, QuarantineError> names() const;
    //! Whether \p name is still the directory that \p opened is.
    bool isStill(const QByteArray &name, int opened) const;
    //! 0 or the error's number.
    int removeTree(const QByteArray &name) const;
    int renameKeeping(const QByteArray &from, const QByteArray &to) const;
    std::expected<void, QuarantineError> moveIn(const Part &part) const;

    const FileDescriptor m_directory;
};

} // namespace Sentinel
