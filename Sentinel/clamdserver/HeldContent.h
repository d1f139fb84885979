// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/SpoolBudget.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <expected>
#include <memory>
#include <span>

namespace Sentinel {

//! \brief A content in memory that this process alone can write, and nobody once it is complete.
//!
//! Owner:  shared by the scan that it is for and whoever fills it; its bytes count against the
//!         budget until then.
//! Thread: one at a time; content() any.
//! Limits: two descriptors; what the budget allows.
//! Errors: why not, in words for a client.
class HeldContent {
public:
    using Error = QByteArray;

    //! An empty one, to be filled.
    static std::expected<std::shared_ptr<HeldContent>, Error> create(
        std::shared_ptr<SpoolBudget> budget);
    //! A copy of the file \p source, whoever changes that meanwhile. Blocks for as long as its
    //! file system does.
    static std::expected<std::shared_ptr<HeldContent>, Error> copyOf(
        int source, qint64 maxBytes, std::shared_ptr<SpoolBudget> budget);

    ~HeldContent();
    Q_DISABLE_COPY_MOVE(HeldContent)

    std::expected<void, Error> append(std::span<const char> bytes);
    //! No more bytes.
    std::expected<void, Error> complete();

    qint64 sizeBytes() const { return m_sizeBytes; }
    //! As a file that is open for reading alone.
    const std::shared_ptr<Content> &content() const { return m_content; }

private:
    HeldContent(FileDescriptor file, FileDescriptor reader, std::shared_ptr<SpoolBudget> budget);
    std::expected<void, Error> reserve(qint64 bytes);
    std::expected<void, Error> copyFrom(int source, qint64 sizeBytes);

    FileDescriptor m_file; // for writing, until it is complete
    const std::shared_ptr<Content> m_content;
    const std::shared_ptr<SpoolBudget> m_budget;
    qint64 m_sizeBytes = 0;
    qint64 m_reservedBytes = 0;
};

} // namespace Sentinel
