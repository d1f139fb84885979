// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/ShareKey.h"

#include "SecurityTap/inspection/Origin.h"

#include <QHashFunctions>
#include <QStringView>

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

constexpr qsizetype countryLength = 2;
constexpr std::array secondLevels{u"ac", u"co", u"com", u"edu", u"gen", u"go", u"gob", u"gov",
    u"mil", u"ne", u"net", u"nom", u"or", u"org"};

bool isAddress(QStringView host)
{
    return host.contains(u':') || (!host.isEmpty() && host.back().isDigit());
}

//! The part of \p host behind its last \p count dots less one; all of it if there are fewer.
QStringView lastLabels(QStringView host, int count)
{
    qsizetype dot = host.size();
    while (count-- > 0 && dot > 0)
        dot = host.first(dot).lastIndexOf(u'.');
    return host.sliced(std::max<qsizetype>(dot, 0) + (dot > 0 ? 1 : 0));
}

QStringView siteOf(QStringView host)
{
    while (host.endsWith(u'.'))
        host.chop(1);
    if (isAddress(host))
        return host;
    const QStringView country = lastLabels(host, 1);
    const QStringView site = lastLabels(host, 2);
    const QStringView label = site.chopped(std::min(country.size() + 1, site.size()));
    const bool isSecondLevel = country.size() == countryLength
        && std::ranges::any_of(secondLevels, [label](QStringView one) { return one == label; });
    return isSecondLevel ? lastLabels(host, 3) : site;
}

} // namespace

quint64 shareKeyOf(const QUrl &url)
{
    const Origin origin = Origin::of(url);
    if (origin.scheme.isEmpty() && origin.host.isEmpty())
        return 0;
    const QStringView name =
        origin.host.isEmpty() ? QStringView(origin.scheme) : siteOf(origin.host);
    if (origin.host.isEmpty() && name == QLatin1String("file"))
        return 0;
    return quint64(qHash(name, QHashSeed::globalSeed())) | 1; // none is 0
}

} // namespace Sentinel
