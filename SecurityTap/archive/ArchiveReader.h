// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/archive/ArchiveFormat.h"

#include <QString>
#include <QStringList>

#include <expected>
#include <memory>
#include <optional>
#include <span>

namespace Sentinel {

//! \brief What is wrong with an archive, or a member of it.
struct ArchiveError {
    enum class Kind : quint8 {
        Damaged, //!< broken, cut short, or not what it says it is
        Encrypted, //!< no password fits
        Unsupported, //!< a method that nobody here knows
        OutOfMemory,
    };
    Kind kind = Kind::Damaged;
    QString text; //!< for people
    bool isFinal = false; //!< nothing more can be read of this archive
};

//! \brief A member as its header tells of it. All of it comes from the archive's author.
struct ArchiveMember {
    QString name; //!< empty if it has none
    bool isFile = true; //!< no directory, link or device
    std::optional<ArchiveError> doubt; //!< the header contradicts itself
};

//! \brief Bytes of a member, valid until the next call.
struct ArchiveBlock {
    std::span<const uchar> bytes;
    qint64 offset = 0; //!< in the member: zeros stand before it that nobody stored
    std::optional<ArchiveError> doubt; //!< a checksum is wrong
};

//! \brief Reads one archive in memory, member by member, block by block.
//!
//! Nothing is written, no file is opened, no program started.
//!
//! Owner:  a level of an ArchiveScan.
//! Thread: one at a time.
//! Limits: a call reads up to one block of a member, of at most some hundred KiB. Its first one may
//!         read a whole directory. What it takes of memory its author chooses, up to gigabytes for
//!         some formats: only a limit of the process bounds it.
class SECURITYTAP_EXPORT ArchiveReader {
public:
    virtual ~ArchiveReader() = default;

    //! \p content outlives the reader. \p passwords are tried on what is encrypted.
    static std::expected<std::unique_ptr<ArchiveReader>, ArchiveError> open(
        std::span<const uchar> content, const ArchivePlace &place, const QStringList &passwords);

    //! The next member; nothing at the end. What is left of the one before is skipped.
    virtual std::expected<std::optional<ArchiveMember>, ArchiveError> next() = 0;
    //! The next bytes of the member; nothing at its end.
    virtual std::expected<std::optional<ArchiveBlock>, ArchiveError> read() = 0;
    //! How far the archive goes in its place: what follows is none of its. Known once there is no
    //! next member.
    virtual qint64 endOffset() const = 0;
    //! Behind what was read last.
    virtual qint64 position() const { return endOffset(); }
};

//! \brief What reads most of them: "libarchive 3.6.2".
SECURITYTAP_EXPORT QString archiveEngineName();

//! \brief Does what needs files at its first time, for a process that will have none.
//!
//! Thread: any.
SECURITYTAP_EXPORT void prepareArchiveReading();

} // namespace Sentinel
