// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdAddress.h"

#include "SecurityTap/content/FileName.h"

#include <QByteArray>
#include <QFile>

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace Sentinel {

namespace {

template <typename Address>
socklen_t store(const Address &address, sockaddr_storage &storage)
{
    std::memcpy(&storage, &address, sizeof address);
    return sizeof address;
}

//! 0: \p host is no address.
socklen_t storeHost(const QByteArray &host, quint16 port, sockaddr_storage &storage)
{
    sockaddr_in v4{};
    if (::inet_pton(AF_INET, host.constData(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return store(v4, storage);
    }
    sockaddr_in6 v6{};
    if (!host.startsWith('[') || !host.endsWith(']')
        || ::inet_pton(AF_INET6, host.mid(1, host.size() - 2).constData(), &v6.sin6_addr) != 1)
        return 0;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return store(v6, storage);
}

//! 0: \p path cannot be that of a socket.
socklen_t storePath(const QByteArray &path, sockaddr_storage &storage)
{
    sockaddr_un address{};
    if (path.size() >= qsizetype(sizeof address.sun_path) || path.contains('\0'))
        return 0;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.constData(), size_t(path.size()));
    return store(address, storage);
}

} // namespace

std::expected<ClamdAddress, QString> ClamdAddress::parse(const QString &text)
{
    ClamdAddress address;
    address.m_text = printable(text);
    if (text.startsWith(u'/')) {
        address.m_size = storePath(QFile::encodeName(text), address.m_address);
    } else {
        const qsizetype colon = text.lastIndexOf(u':');
        bool isNumber = false;
        const quint16 port = text.mid(colon + 1).toUShort(&isNumber);
        const QString host = colon < 0 ? QString() : text.left(colon);
        if (isNumber && port > 0) {
            address.m_size =
                storeHost(host == QLatin1String("localhost") ? "127.0.0.1" : host.toLatin1(), port,
                    address.m_address);
        }
    }
    if (address.m_size == 0) {
        return std::unexpected(QStringLiteral("'%1' is no address of clamd: give the path of its "
                                              "socket, or the number of its host and a port, as "
                                              "in 127.0.0.1:3310")
                                   .arg(address.m_text));
    }
    return address;
}

} // namespace Sentinel
