// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/quarantine/Quarantine.h"
#include "SecurityTap/quarantine/QuarantineFolder_p.h"
#include "SecurityTap/quarantine/SealedFile_p.h"

//! The two files of an item, its record and its content. Errors do not say yet of which item they
//! are. Thread: any; all of these block.
namespace Sentinel {

//! \brief The SHA-256 of the first \p sizeBytes of what \p read reads.
std::expected<QByteArray, QuarantineError> hashOfSource(
    const Quarantine::ReadAt &read, qint64 sizeBytes);

//! \brief Writes the record of \p part, and waits for the disk.
std::expected<void, QuarantineError> storeRecord(
    const QuarantineFolder::Part &part, const SealKey &key, const QuarantineRecord &record);

//! \brief Writes the content of \p part: record.sizeBytes of \p read, which have record.sha256.
std::expected<void, QuarantineError> storeContent(const QuarantineFolder::Part &part,
    const SealKey &key, const QuarantineRecord &record, const Quarantine::ReadAt &read);

//! \brief The record of the item \p id in the directory \p item.
std::expected<QuarantineRecord, QuarantineError> readRecord(
    int item, const SealKey &key, const QByteArray &id);

//! \brief The content's file, which has the size that \p record says.
std::expected<FileDescriptor, QuarantineError> openContent(
    int item, const QuarantineRecord &record);

//! \brief Gives the content in \p file to \p sink. Only a success says that all of it is what was
//! taken.
std::expected<void, QuarantineError> readContent(int file, const SealKey &key, const QByteArray &id,
    const QuarantineRecord &record, const PlainSink &sink);

} // namespace Sentinel
