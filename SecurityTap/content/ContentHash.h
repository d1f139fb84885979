// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/Sha256.h"

#include <memory>
#include <vector>

namespace Sentinel {

//! \brief The SHA-256 of a content, computed piece by piece while it arrives.
//!
//! Thread: one at a time.
class ContentHash {
public:
    enum class Progress : quint8 {
        More, //!< there is more to hash, or more will arrive
        Known, //!< sha256() has it
        Failed, //!< the content's file is not as it was announced
    };

    explicit ContentHash(std::shared_ptr<const Content> content) : m_content(std::move(content)) { }

    //! Hashes what has arrived, a piece of at most 1 MiB at a time, until \p isOver() says so
    //! between two.
    template <typename IsOver>
    Progress advance(IsOver isOver)
    {
        while (addPiece() && !isOver()) { }
        std::vector<uchar>().swap(m_buffer); // many contents may wait for their next bytes
        return m_progress;
    }
    //! All that has arrived.
    Progress finish()
    {
        return advance([] { return false; });
    }

    Progress progress() const { return m_progress; }
    //! 32 raw bytes once it is known, else empty.
    const QByteArray &sha256() const { return m_sha256; }

private:
    bool addPiece();
    std::span<const uchar> readPiece(qint64 sizeBytes);

    const std::shared_ptr<const Content> m_content;
    Sha256 m_hash;
    qint64 m_hashedBytes = 0;
    std::vector<uchar> m_buffer; // of a content that is not in memory
    Progress m_progress = Progress::More;
    QByteArray m_sha256;
};

} // namespace Sentinel
