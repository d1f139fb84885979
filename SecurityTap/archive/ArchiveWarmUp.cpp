// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "SecurityTap/archive/ArchiveReader.h"

#include <vector>

#include <archive.h>
#include <archive_entry.h>

namespace Sentinel {

namespace {

//! Room for each of the archives below.
constexpr size_t sampleBytes = Limits::mib;
constexpr char sampleText[] = "sample";

//! An archive with one member; empty if libarchive cannot make one.
std::vector<uchar> sample(
    const char *format, const char *filter = nullptr, const char *options = nullptr)
{
    std::vector<uchar> bytes(sampleBytes);
    size_t used = 0;
    archive *handle = archive_write_new();
    const bool isChosen = archive_write_set_format_by_name(handle, format) == ARCHIVE_OK
        && (!filter || archive_write_add_filter_by_name(handle, filter) == ARCHIVE_OK);
    // With 1 MiB instead of 90; who knows no levels says so, and needs none.
    archive_write_set_options(handle, "compression-level=1");
    const bool isReady = isChosen
        && (!options || archive_write_set_options(handle, options) == ARCHIVE_OK)
        && archive_write_set_passphrase(handle, sampleText) == ARCHIVE_OK
        && archive_write_open_memory(handle, bytes.data(), bytes.size(), &used) == ARCHIVE_OK;
    if (isReady) {
        archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, "sample");
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0600);
        archive_entry_set_mtime(entry, 1, 0);
        archive_entry_set_size(entry, sizeof sampleText);
        archive_write_header(handle, entry);
        archive_write_data(handle, sampleText, sizeof sampleText);
        archive_entry_free(entry);
        archive_write_close(handle);
    }
    archive_write_free(handle);
    bytes.resize(used);
    return bytes;
}

void readAll(const std::vector<uchar> &bytes)
{
    const QStringList passwords{QString::fromLatin1(sampleText)};
    for (const ArchivePlace &place : archivesIn(bytes)) {
        const auto reader = ArchiveReader::open(bytes, place, passwords);
        while (reader) {
            const auto member = (*reader)->next();
            if (!member || !*member)
                break;
            for (auto block = (*reader)->read(); block && *block;)
                block = (*reader)->read();
        }
    }
}

} // namespace

void prepareArchiveReading()
{
    for (const char *format : {"zip", "7zip", "pax", "newc", "ar", "iso9660"})
        readAll(sample(format));
    readAll(sample("zip", nullptr, "zip:encryption=aes256"));
    readAll(sample("zip", nullptr, "zip:encryption=zipcrypt"));
    for (const char *filter : {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress"})
        readAll(sample("pax", filter));
}

} // namespace Sentinel
