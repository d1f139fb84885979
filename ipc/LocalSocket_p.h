// SPDX-License-Identifier: MIT
#pragma once

#include <QFile>
#include <QString>

#include <cstring>
#include <optional>

#include <sys/socket.h>
#include <sys/un.h>

namespace Sentinel::LocalSocket {

//! \p path as the system wants it; none if it is empty or longer than the system can have it.
inline std::optional<sockaddr_un> addressOf(const QString &path)
{
    const QByteArray name = QFile::encodeName(path);
    sockaddr_un address{};
    if (name.isEmpty() || name.contains('\0') || name.size() >= qsizetype(sizeof address.sun_path))
        return std::nullopt;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.constData(), size_t(name.size()));
    return address;
}

//! "cannot <what>: <the system's word for errno>"
QString systemError(const QString &what);

} // namespace Sentinel::LocalSocket
