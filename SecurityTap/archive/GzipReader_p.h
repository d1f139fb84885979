// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/archive/ArchiveReader.h"

#include <vector>

#include <zlib.h>

namespace Sentinel {

//! \brief gzip, by zlib itself: libarchive does not look at its checksums.
//!
//! Thread: one at a time.
class GzipReader final : public ArchiveReader {
public:
    //! Null if there is no memory.
    static std::unique_ptr<GzipReader> open(std::span<const uchar> bytes);
    ~GzipReader() override;
    Q_DISABLE_COPY_MOVE(GzipReader)

    std::expected<std::optional<ArchiveMember>, ArchiveError> next() override;
    std::expected<std::optional<ArchiveBlock>, ArchiveError> read() override;
    qint64 endOffset() const override { return m_sizeBytes - qint64(m_rest.size()); }

private:
    explicit GzipReader(std::span<const uchar> bytes)
        : m_sizeBytes(qint64(bytes.size())), m_rest(bytes)
    {
    }

    z_stream m_stream{};
    const qint64 m_sizeBytes;
    std::span<const uchar> m_rest;
    std::vector<uchar> m_block;
    qint64 m_offset = 0;
    bool m_isBegun = false;
    bool m_isEnded = false;
};

} // namespace Sentinel
