// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QFile>
#include <QString>

#include <sys/xattr.h>

namespace Sentinel::Test {

//! The extended attribute \p name of the file at \p path; "(none)" if it has no such.
inline QByteArray attribute(const QString &path, const char *name)
{
    QByteArray value(4'096, '\0');
    const ssize_t size =
        ::getxattr(QFile::encodeName(path).constData(), name, value.data(), size_t(value.size()));
    return size < 0 ? QByteArray("(none)") : value.first(size);
}

} // namespace Sentinel::Test
