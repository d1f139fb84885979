// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/OriginPattern.h"

#include <algorithm>

namespace Sentinel {

namespace {

constexpr int largestPort = 65'535;

std::unexpected<QString> badPattern(const QString &text, const QString &what)
{
    return std::unexpected(QStringLiteral("\"%1\": %2").arg(text, what));
}

bool isScheme(const QString &text)
{
    const auto isLetter = [](QChar c) { return c >= u'a' && c <= u'z'; };
    const auto fits = [&](QChar c) {
        return isLetter(c) || (c >= u'0' && c <= u'9') || c == u'+' || c == u'-' || c == u'.';
    };
    return !text.isEmpty() && isLetter(text.front()) && std::ranges::all_of(text, fits);
}

//! As origins have it: lower case, ASCII. Empty if it is none.
QString normalHost(const QString &host)
{
    QUrl url;
    url.setScheme(QStringLiteral("http"));
    url.setHost(host, QUrl::StrictMode);
    return url.isValid() ? url.host(QUrl::FullyEncoded).toLower() : QString();
}

//! A name that ends with a dot, as the root has it, is the same name; but "intranet." is another
//! than "intranet", which is looked for in the own domain.
QStringView withoutRoot(const QString &host)
{
    const bool isRooted = host.endsWith(u'.') && host.indexOf(u'.') < host.size() - 1;
    return isRooted ? QStringView(host).chopped(1) : QStringView(host);
}

} // namespace

std::expected<OriginPattern, QString> OriginPattern::parse(const QString &text)
{
    OriginPattern pattern;
    const qsizetype end = text.indexOf(u':');
    const QString scheme = text.left(std::max<qsizetype>(end, 0)).toLower();
    if (end < 0)
        return badPattern(text, QStringLiteral("no scheme, as in https://example.org or file:"));
    if (scheme != QLatin1String("*") && !isScheme(scheme))
        return badPattern(text, QStringLiteral("the scheme is a name such as https, or *"));
    if (scheme != QLatin1String("*"))
        pattern.m_scheme = scheme;

    QString rest = text.sliced(end + 1);
    if (rest.isEmpty()) {
        if (pattern.m_scheme.isEmpty())
            return badPattern(text, QStringLiteral("of what has no host the scheme is named"));
        return pattern;
    }
    if (!rest.startsWith(QLatin1String("//")))
        return badPattern(text, QStringLiteral("// follows the scheme, or nothing"));
    rest.remove(0, 2);
    if (rest.contains(u'/') || rest.contains(u'?') || rest.contains(u'#'))
        return badPattern(
            text, QStringLiteral("an origin ends with its host or port: no path has a place here"));
    if (rest.contains(u'@'))
        return badPattern(text, QStringLiteral("an origin has no user"));
    // An address of IPv6 has colons of its own, in brackets.
    const qsizetype colon = rest.indexOf(u':', std::max<qsizetype>(rest.indexOf(u']'), 0));
    const auto host = pattern.readHost(colon < 0 ? rest : rest.left(colon));
    const auto port = colon < 0 ? host : pattern.readPort(rest.sliced(colon + 1));
    for (const auto &read : {host, port}) {
        if (!read)
            return badPattern(text, read.error());
    }
    return pattern;
}

std::expected<void, QString> OriginPattern::readHost(const QString &host)
{
    if (host.isEmpty())
        return std::unexpected(QStringLiteral("a host is missing"));
    m_hosts = host == QLatin1String("*")       ? Hosts::Any
        : host.startsWith(QLatin1String("*.")) ? Hosts::Below
                                               : Hosts::One;
    if (m_hosts == Hosts::Any)
        return {};
    const QString name = m_hosts == Hosts::Below ? host.sliced(2) : host;
    if (name.contains(u'*'))
        return std::unexpected(
            QStringLiteral("a * is the whole host, or its beginning: *.example.org"));
    m_host = withoutRoot(normalHost(name)).toString();
    if (m_host.isEmpty())
        return std::unexpected(QStringLiteral("this is no host"));
    return {};
}

std::expected<void, QString> OriginPattern::readPort(const QString &port)
{
    if (port == QLatin1String("*")) {
        m_ports = Ports::Any;
        return {};
    }
    bool isNumber = false;
    m_port = port.toInt(&isNumber);
    if (!isNumber || m_port < 1 || m_port > largestPort || !port.front().isDigit())
        return std::unexpected(QStringLiteral("a port is a number from 1 to 65535, or *"));
    m_ports = Ports::One;
    return {};
}

bool OriginPattern::matches(const Origin &origin) const
{
    if (!m_scheme.isEmpty() && origin.scheme != m_scheme)
        return false;
    if (m_hosts == Hosts::None || origin.host.isEmpty())
        return m_hosts == Hosts::None && origin.host.isEmpty();
    const QStringView host = withoutRoot(origin.host);
    if (m_hosts == Hosts::One && host != m_host)
        return false;
    const auto suffix = QString(u'.' + m_host);
    if (m_hosts == Hosts::Below && (!host.endsWith(suffix) || host.size() == suffix.size()))
        return false;
    switch (m_ports) {
    case Ports::Usual:
        return origin.port == Origin::usualPort(origin.scheme);
    case Ports::One:
        return origin.port == m_port;
    case Ports::Any:
        break;
    }
    return true;
}

QString OriginPattern::toString() const
{
    const QString scheme = m_scheme.isEmpty() ? QStringLiteral("*") : m_scheme;
    if (m_hosts == Hosts::None)
        return scheme + u':';
    QString host = m_host.contains(u':') ? u'[' + m_host + u']' : m_host;
    if (m_hosts != Hosts::One)
        host.prepend(m_hosts == Hosts::Any ? QStringLiteral("*") : QStringLiteral("*."));
    QString port;
    if (m_ports != Ports::Usual)
        port = u':' + (m_ports == Ports::Any ? QStringLiteral("*") : QString::number(m_port));
    return scheme + QStringLiteral("://") + host + port;
}

} // namespace Sentinel
