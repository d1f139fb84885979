// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Provenance.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/store/KeptAddress.h"

#include <cerrno>
#include <sys/xattr.h>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;

bool hasAddress(const QUrl &url)
{
    const QString scheme = url.scheme().toLower();
    return (scheme == "https"_L1 || scheme == "http"_L1 || scheme == "ftp"_L1) && url.isValid()
        && !url.host().isEmpty();
}

bool writeAttribute(int descriptor, const char *name, const QByteArray &value)
{
    if (!value.isEmpty())
        return ::fsetxattr(descriptor, name, value.constData(), size_t(value.size()), 0) == 0;
    return ::fremovexattr(descriptor, name) == 0 || errno == ENODATA;
}

} // namespace

QByteArray provenanceText(const QUrl &url)
{
    if (!hasAddress(url))
        return {};
    const QByteArray text = url.toEncoded(unkeptAddressParts);
    if (text.size() <= Limits::maxProvenanceUrlBytes)
        return text;
    const QByteArray site = url.toEncoded(unkeptAddressParts | QUrl::RemovePath) + '/';
    return site.size() <= Limits::maxProvenanceUrlBytes ? site : QByteArray();
}

bool writeProvenance(int descriptor, const Provenance &provenance)
{
    const bool hasOrigin =
        writeAttribute(descriptor, "user.xdg.origin.url", provenanceText(provenance.origin));
    const bool hasReferrer =
        writeAttribute(descriptor, "user.xdg.referrer.url", provenanceText(provenance.referrer));
    return hasOrigin && hasReferrer;
}

} // namespace Sentinel
