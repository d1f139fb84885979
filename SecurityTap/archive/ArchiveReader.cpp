// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/ArchiveReader.h"

#include "SecurityTap/archive/GzipReader_p.h"
#include "SecurityTap/archive/LibarchiveReader_p.h"

#include <archive.h>

namespace Sentinel {

std::expected<std::unique_ptr<ArchiveReader>, ArchiveError> ArchiveReader::open(
    std::span<const uchar> content, const ArchivePlace &place, const QStringList &passwords)
{
    const auto bytes = content.subspan(size_t(place.begin), size_t(place.end - place.begin));
    if (place.format != ArchiveFormat::Gzip)
        return LibarchiveReader::open(bytes, place.format, passwords);
    if (auto reader = GzipReader::open(bytes))
        return reader;
    return std::unexpected(ArchiveError{
        ArchiveError::Kind::OutOfMemory, QStringLiteral("no memory for a reader"), true});
}

QString archiveEngineName()
{
    return QStringLiteral("libarchive " ARCHIVE_VERSION_ONLY_STRING);
}

} // namespace Sentinel
