// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/FileRelease.h"

#include <QByteArray>
#include <QString>

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief Where a download goes.
struct FetchTarget {
    QString directory; //!< absolute; exists and may be written to
    QString name; //!< empty: what the server proposes, sanitised
    ExistingFile existing = ExistingFile::Keep;
};

//! \brief The target that \p output (-o; none: the current directory) means: a directory where one
//! is or where it ends with a slash, else a file. The error is for people.
std::expected<FetchTarget, QString> fetchTarget(
    const std::optional<QByteArray> &output, ExistingFile existing);

//! \brief Why \p name cannot be put into \p target because of what is there already; else nothing.
std::optional<QString> obstacle(const FetchTarget &target, const QString &name);

} // namespace Sentinel
