// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <optional>

namespace Sentinel {

//! \brief Why \p descriptor, which a client has sent, is no content to be scanned; nothing if it is
//! one: a regular file, readable, that cannot shrink (a memfd with F_SEAL_SHRINK, or a file without
//! a name).
//!
//! Thread: any.
std::optional<QString> contentProblem(int descriptor);

//! \brief Why the content in \p descriptor cannot have \p sizeBytes by now, or in all if
//! \p isComplete.
std::optional<QString> sizeProblem(int descriptor, qint64 sizeBytes, bool isComplete);

} // namespace Sentinel
