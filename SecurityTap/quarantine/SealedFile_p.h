// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/quarantine/QuarantineError.h"

#include <QByteArray>

#include <array>
#include <expected>
#include <functional>
#include <optional>
#include <span>

namespace Sentinel {

//! \brief The key of a store.
using SealKey = std::array<uchar, 32>;

//! \brief What a sealed file is, which nobody can change: the file of another item, or the other
//! file of the same item, does not open in its place.
struct SealedAs {
    enum class Kind : uchar { Record = 1, Content = 2 };
    Kind kind;
    QByteArray item; //!< 16 raw bytes
};

//! \brief Fills \p target with the plain bytes from \p offset on, all of it, or fails.
using PlainSource =
    std::function<std::expected<void, QuarantineError>(std::span<uchar> target, qint64 offset)>;
//! \brief Takes the next plain bytes, which have been proved to be what was stored.
using PlainSink = std::function<std::expected<void, QuarantineError>(std::span<const uchar> bytes)>;

//! \brief The size of the sealed file of so many plain bytes.
qint64 sealedBytesOf(qint64 plainBytes);
//! \brief The number of plain bytes in a sealed file of that size; nothing if no file has it.
std::optional<qint64> plainBytesOf(qint64 sealedBytes);

//! \brief Writes \p plainBytes of \p source to \p file, from its offset 0, encrypted and in chunks
//! of which each is authenticated (AES-256-GCM; docs/quarantine.md has the format). Does not wait
//! for the disk. Thread: any; blocks.
std::expected<void, QuarantineError> writeSealed(int file, const SealKey &key,
    const SealedAs &sealedAs, qint64 plainBytes, const PlainSource &source);

//! \brief Gives the plain bytes of the sealed \p file to \p sink, chunk by chunk, and fails at the
//! first one that is not as it was stored, saying which. Until it has returned, the end of the file
//! has not been proved. Thread: any; blocks.
std::expected<void, QuarantineError> readSealed(
    int file, const SealKey &key, const SealedAs &sealedAs, const PlainSink &sink);

} // namespace Sentinel
