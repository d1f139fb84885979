// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/SpoolBudget.h"
#include "ipc/FileDescriptor.h"

#include <QString>

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <time.h>

namespace Sentinel {

//! \brief Why a spool could not take bytes.
struct SpoolError {
    enum class Code : quint8 {
        NoSpace, //!< the disk or the quota is full
        TooLarge, //!< over SpoolOptions::maxBytes
        Changed, //!< somebody else has written to the file
        Failed, //!< any other refusal of the system
    };
    Code code = Code::Failed;
    QString message; //!< what happened, where, and what to do
};

//! \brief Where a spool may keep its bytes.
struct SpoolOptions {
    //! For content that goes to disk: the destination's, or a temporary one (empty: the system's).
    QString directory;
    std::optional<qint64> announcedBytes; //!< what the server says; chooses memory or disk, no more
    qint64 maxBytes = 0; //!< the spool's bound
    qint64 maxMappedBytes = 0; //!< how much of it content() can show: the largest scan
    std::shared_ptr<SpoolBudget> budget; //!< none: only the limits of one spool hold
    quint64 origin = 0; //!< whose share of the budget it takes
};

//! \brief A private growing file that holds a download from its first byte to its verdict.
//!
//! In memory (memfd) within the budget, else a nameless file (O_TMPFILE) in the options' directory,
//! so that a process that dies leaves nothing behind. Sealed by seal(): from then on nobody, not
//! even we, can change a byte of a memory spool; of a disk spool there is no writable descriptor.
//!
//! Owner:  the Inspection that fills it.
//! Thread: owner; content() may be read by any thread.
//! Limits: one descriptor; SpoolOptions::maxBytes; maxMappedBytes of address space.
class SECURITYTAP_EXPORT Spool {
public:
    static std::expected<std::unique_ptr<Spool>, SpoolError> create(SpoolOptions options);
    ~Spool();
    Q_DISABLE_COPY_MOVE(Spool)

    //! Appends all of \p bytes, or fails and stays as it was (though maybe on disk by then).
    std::expected<void, SpoolError> append(std::span<const char> bytes);
    //! No more bytes. content() is complete now if all of it fits into
    //! SpoolOptions::maxMappedBytes; if it does not, it never completes: too large to be scanned.
    //! Does nothing the second time.
    std::expected<void, SpoolError> seal();

    //! Reads up to \p size bytes from \p offset into \p target; 0 at the end. Fails, as copyTo()
    //! does, once the file was released and its user has changed it.
    std::expected<qint64, SpoolError> read(char *target, qint64 size, qint64 offset) const;
    //! Writes all sizeBytes() bytes to the regular file \p descriptor, from its offset 0.
    std::expected<void, SpoolError> copyTo(int descriptor) const;
    //! A descriptor of the same file that cannot write, for a process that is trusted less.
    //! One that was made before isInMemory() changed stays with the bytes of then.
    std::expected<FileDescriptor, SpoolError> openReadOnly() const;

    qint64 sizeBytes() const { return m_size; }
    bool isSealed() const { return m_sealed; }
    //! True while the bytes are in memory, false once they are in a file.
    bool isInMemory() const { return m_inMemory; }
    //! True while somebody else holds content(), and may read it.
    bool isBeingRead() const { return m_content.use_count() > 1; }
    //! The growing view that scans read: the first SpoolOptions::maxMappedBytes bytes of the file.
    //! One object for the spool's whole life: a reader does not notice the move to disk. Its memory
    //! counts against the budget until the last holder lets go of it.
    std::shared_ptr<const Content> content() const { return m_content; }
    //! The file itself, for releaseInto(); stays the spool's. Another one after append() or seal().
    int descriptor() const { return m_file.get(); }
    //! Where the file is, or would be if the spool moved to disk.
    const QString &directory() const { return m_options.directory; }

private:
    struct Mapping;

    explicit Spool(SpoolOptions options);
    std::expected<void, SpoolError> openMemory();
    std::expected<FileDescriptor, SpoolError> openFile();
    std::expected<void, SpoolError> map();
    bool tryReserve(qint64 sizeBytes, qint64 unitBytes);
    std::expected<void, SpoolError> moveToFile();
    std::expected<void, SpoolError> write(std::span<const char> bytes);
    std::expected<void, SpoolError> cutToSize();
    std::expected<void, SpoolError> checkUnchanged() const;
    SpoolError error(int errorNumber, const QString &what) const;

    SpoolOptions m_options;
    FileDescriptor m_file;
    std::shared_ptr<Mapping> m_mapping;
    std::shared_ptr<Content> m_content;
    qint64 m_size = 0;
    bool m_inMemory = false;
    bool m_sealed = false;
    timespec m_sealedAt{}; // of a disk spool: its time of modification
};

} // namespace Sentinel
