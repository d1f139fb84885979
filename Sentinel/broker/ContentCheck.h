// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/FileDescriptor.h"

#include <QString>

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief Why \p descriptor, which a client has sent, cannot be read as a file; nothing if it is
//! regular and open for reading.
//!
//! Thread: any.
std::optional<QString> fileProblem(int descriptor);

//! \brief Why \p descriptor, which a client has sent, is no content to be scanned; nothing if it is
//! one: a regular file, readable, that cannot shrink (a memfd with F_SEAL_SHRINK, or a file without
//! a name).
//!
//! Thread: any.
std::optional<QString> contentProblem(int descriptor);

//! \brief Why the content in \p descriptor cannot have \p sizeBytes by now, or in all if
//! \p isComplete.
std::optional<QString> sizeProblem(int descriptor, qint64 sizeBytes, bool isComplete);

//! \brief The same file, for reading alone: who scans it may be taken over by it, and could change
//! what the client will release. The error is for people.
//!
//! Thread: any.
std::expected<FileDescriptor, QString> readOnly(FileDescriptor file);

} // namespace Sentinel
