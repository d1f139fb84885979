// SPDX-License-Identifier: MIT
#include "SecurityTap/content/ContentHash.h"

#include "SecurityTap/Limits.h"
#include "ipc/Retried_p.h"

#include <algorithm>

#include <unistd.h>

namespace Sentinel {

namespace {

//! What is read at a time stays in the processor's cache until it is hashed.
constexpr qint64 readBytes = 256 * Limits::kib;

} // namespace

//! Hashes the next piece; false if there is none, or if that was the last one.
bool ContentHash::addPiece()
{
    if (m_progress != Progress::More)
        return false;
    const Content::Extent extent = m_content->extent();
    const qint64 left = extent.sizeBytes - m_hashedBytes;
    if (left > 0) {
        const auto piece = m_content->file() >= 0
            ? readPiece(std::min(left, readBytes))
            : std::span(m_content->bytes() + m_hashedBytes, size_t(std::min(left, Limits::mib)));
        if (piece.empty()) {
            m_progress = Progress::Failed;
            return false;
        }
        m_hash.add(piece);
        m_hashedBytes += qint64(piece.size());
    }
    if (m_hashedBytes < extent.sizeBytes)
        return true;
    if (extent.isComplete) {
        m_sha256 = m_hash.result();
        m_progress = Progress::Known;
    }
    return false;
}

//! Up to \p sizeBytes of the next bytes; empty if the file does not have them.
std::span<const uchar> ContentHash::readPiece(qint64 sizeBytes)
{
    m_buffer.resize(std::max(m_buffer.size(), size_t(sizeBytes)));
    const ssize_t count = retried([&] {
        return ::pread(m_content->file(), m_buffer.data(), size_t(sizeBytes), m_hashedBytes);
    });
    return {m_buffer.data(), size_t(std::max<ssize_t>(count, 0))};
}

} // namespace Sentinel
