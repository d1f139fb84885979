// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <atomic>
#include <memory>
#include <span>

namespace Sentinel {

//! \brief A read-only view of a download's bytes that may still be growing.
//!
//! Bytes that were announced by grow() never change and never go away while the view lives, so a
//! scan may read them without a copy and without a lock.
//!
//! Owner:  shared between the one who fills it and the scans that read it.
//! Thread: grow() and complete() by the filling thread; everything else any.
class SECURITYTAP_EXPORT Content {
public:
    //! How far the content has arrived: both values of the same moment.
    struct Extent {
        qint64 sizeBytes = 0;
        bool isComplete = false;
    };

    //! A view that starts empty over \p bytes, which \p owner keeps alive and valid up to the sizes
    //! that grow() will announce.
    Content(const uchar *bytes, std::shared_ptr<const void> owner);
    //! A view that starts empty over \p file, for those who do not look at hostile bytes by
    //! themselves: they are in no memory of this process, and who shortens the file harms nobody.
    explicit Content(FileDescriptor file);
    //! A complete view of \p bytes. Shares them where they are counted, copies them where they only
    //! borrow (QByteArray::fromRawData), because a scan may outlive the lender.
    static std::shared_ptr<Content> fromByteArray(QByteArray bytes);

    Q_DISABLE_COPY_MOVE(Content)

    Extent extent() const;
    //! The bytes [0, extent().sizeBytes); null if they are not in memory.
    const uchar *bytes() const { return m_bytes; }
    std::span<const uchar> span() const;
    //! The file that they are in; -1 if they are in memory.
    int file() const { return m_file.get(); }

    //! Announces that the first \p sizeBytes bytes are valid. Never shrinks.
    void grow(qint64 sizeBytes);
    //! The size is final.
    void complete();

private:
    const uchar *m_bytes = nullptr;
    std::shared_ptr<const void> m_owner;
    FileDescriptor m_file;
    std::atomic<quint64> m_extent{0}; // size * 2 + complete
};

} // namespace Sentinel
