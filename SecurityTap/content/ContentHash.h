// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/Sha256.h"

#include <algorithm>
#include <memory>

namespace Sentinel {

//! \brief The SHA-256 of a content, computed piece by piece while it arrives.
//!
//! Thread: one at a time.
class ContentHash {
public:
    explicit ContentHash(std::shared_ptr<const Content> content) : m_content(std::move(content)) { }

    //! Hashes what has arrived, a MiB at a time, until \p isOver() says so between two.
    template <typename IsOver>
    void advance(IsOver isOver)
    {
        const Content::Extent extent = m_content->extent();
        while (m_hashedBytes < extent.sizeBytes) {
            const qint64 size = std::min(extent.sizeBytes - m_hashedBytes, Limits::mib);
            m_hash.add({m_content->bytes() + m_hashedBytes, size_t(size)});
            m_hashedBytes += size;
            if (isOver())
                break;
        }
        if (extent.isComplete && m_hashedBytes == extent.sizeBytes && m_sha256.isEmpty())
            m_sha256 = m_hash.result();
    }
    //! All that is left of a content that is complete.
    void finish()
    {
        if (m_content->extent().isComplete)
            advance([] { return false; });
    }

    bool isKnown() const { return !m_sha256.isEmpty(); }
    //! 32 raw bytes once it is known, else empty.
    const QByteArray &sha256() const { return m_sha256; }

private:
    const std::shared_ptr<const Content> m_content;
    Sha256 m_hash;
    qint64 m_hashedBytes = 0;
    QByteArray m_sha256;
};

} // namespace Sentinel
