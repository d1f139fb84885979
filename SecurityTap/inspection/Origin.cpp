// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/Origin.h"

namespace Sentinel {

int Origin::usualPort(const QString &scheme)
{
    if (scheme == QLatin1String("https") || scheme == QLatin1String("wss"))
        return 443;
    if (scheme == QLatin1String("http") || scheme == QLatin1String("ws"))
        return 80;
    return scheme == QLatin1String("ftp") ? 21 : -1;
}

Origin Origin::of(const QUrl &url)
{
    const QString scheme = url.scheme().toLower();
    if (scheme == QLatin1String("blob") || scheme == QLatin1String("filesystem")) {
        const QUrl page(url.path(QUrl::FullyEncoded));
        // A page's address has a host; what is nested deeper is nobody's.
        if (!page.host().isEmpty())
            return of(page);
    }
    return {scheme, url.host(QUrl::FullyEncoded).toLower(), url.port(usualPort(scheme))};
}

QString Origin::toString() const
{
    if (host.isEmpty())
        return scheme + QLatin1Char(':');
    const QString name =
        host.contains(QLatin1Char(':')) ? QLatin1Char('[') + host + QLatin1Char(']') : host;
    const QString address = scheme + QStringLiteral("://") + name;
    return port < 0 || port == usualPort(scheme)
        ? address
        : address + QLatin1Char(':') + QString::number(port);
}

} // namespace Sentinel
