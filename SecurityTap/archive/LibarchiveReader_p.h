// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/archive/ArchiveReader.h"

#include <vector>

struct archive;
struct archive_entry;

namespace Sentinel {

//! \brief All formats but gzip, by libarchive: one format for each reader, and none that runs
//! programs or takes any text for an archive.
//!
//! Thread: one at a time.
class LibarchiveReader final : public ArchiveReader {
public:
    static std::expected<std::unique_ptr<ArchiveReader>, ArchiveError> open(
        std::span<const uchar> bytes, ArchiveFormat format, const QStringList &passwords);
    ~LibarchiveReader() override = default;
    Q_DISABLE_COPY_MOVE(LibarchiveReader)

    std::expected<std::optional<ArchiveMember>, ArchiveError> next() override;
    std::expected<std::optional<ArchiveBlock>, ArchiveError> read() override;
    qint64 endOffset() const override;
    qint64 position() const override;

private:
    struct Free {
        void operator()(archive *handle) const;
    };

    LibarchiveReader(ArchiveFormat format, std::span<const uchar> bytes);
    int begin(const QStringList &passwords);
    std::span<const uchar> block() const;
    std::optional<ArchiveError> doubtOf(archive_entry *entry, int status) const;
    ArchiveError error(int status) const;

    const ArchiveFormat m_format;
    std::span<const uchar> m_bytes;
    std::vector<uchar> m_tail; // stands behind them
    qint64 m_position = 0;
    qint64 m_membersMissing = 0; // of those that there should be
    const std::unique_ptr<archive, Free> m_archive;
    bool m_isEncrypted = false; // the member under way
};

} // namespace Sentinel
