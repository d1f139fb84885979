// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/GzipReader_p.h"

#include "SecurityTap/Limits.h"

#include <algorithm>

namespace Sentinel {

namespace {

//! zlib's way to say: with a header and a trailer of gzip.
constexpr int gzipWindowBits = MAX_WBITS + 16;
constexpr size_t maxInput = 1 << 30; // zlib counts in 32 bits

} // namespace

std::unique_ptr<GzipReader> GzipReader::open(std::span<const uchar> bytes)
{
    std::unique_ptr<GzipReader> reader(new GzipReader(bytes));
    if (inflateInit2(&reader->m_stream, gzipWindowBits) != Z_OK)
        return nullptr;
    reader->m_block.resize(size_t(Limits::archiveBlockBytes));
    return reader;
}

GzipReader::~GzipReader()
{
    inflateEnd(&m_stream);
}

std::expected<std::optional<ArchiveMember>, ArchiveError> GzipReader::next()
{
    if (std::exchange(m_isBegun, true))
        return std::nullopt;
    return ArchiveMember{};
}

std::expected<std::optional<ArchiveBlock>, ArchiveError> GzipReader::read()
{
    if (m_isEnded)
        return std::nullopt;
    const size_t given = std::min(m_rest.size(), maxInput);
    m_stream.next_in = const_cast<Bytef *>(m_rest.data());
    m_stream.avail_in = uInt(given);
    m_stream.next_out = m_block.data();
    m_stream.avail_out = uInt(m_block.size());
    const int status = inflate(&m_stream, Z_NO_FLUSH);
    m_rest = m_rest.subspan(given - m_stream.avail_in);
    const size_t made = m_block.size() - m_stream.avail_out;
    const ArchiveBlock block{
        {m_block.data(), made}, std::exchange(m_offset, m_offset + qint64(made)), {}};
    if (status == Z_STREAM_END) {
        // Another one may follow directly.
        m_isEnded = m_rest.size() < 2 || m_rest[0] != 0x1f || m_rest[1] != 0x8b
            || inflateReset(&m_stream) != Z_OK;
        return block;
    }
    if (status == Z_OK && (made > 0 || !m_rest.empty()))
        return block;
    m_isEnded = true;
    if (status == Z_MEM_ERROR)
        return std::unexpected(
            ArchiveError{ArchiveError::Kind::OutOfMemory, QStringLiteral("no memory"), true});
    const bool isBroken = status == Z_DATA_ERROR || status == Z_NEED_DICT;
    // What was made before the fault is worth a look.
    return ArchiveBlock{block.bytes, block.offset,
        ArchiveError{ArchiveError::Kind::Damaged,
            isBroken ? QString::fromLatin1(m_stream.msg ? m_stream.msg : "broken data")
                     : QStringLiteral("cut short"),
            true}};
}

} // namespace Sentinel
