// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QByteArray>
#include <QUrl>

namespace Sentinel {

//! \brief Where a file came from, as its user may want to know later. Both empty: nothing is told.
struct Provenance {
    QUrl origin; //!< where its bytes came from
    QUrl referrer; //!< the page that led to it

    friend bool operator==(const Provenance &, const Provenance &) = default;
};

//! \brief \p url as it may be written down beside a file: without credentials, query and fragment,
//! which may hold secrets; percent-encoded. Empty for what is no address of http, https or ftp.
//! What is longer than Limits::maxProvenanceUrlBytes is reduced to scheme, host and port.
SECURITYTAP_EXPORT QByteArray provenanceText(const QUrl &url);

//! \brief Writes \p provenance to the open file \p descriptor as extended attributes
//! (https://www.freedesktop.org/wiki/CommonExtendedAttributes): user.xdg.origin.url and
//! user.xdg.referrer.url. What it does not tell of is removed.
//!
//! A file system that has no such attributes, or no room for them, is no error: false.
//! Thread: any.
SECURITYTAP_EXPORT bool writeProvenance(int descriptor, const Provenance &provenance);

} // namespace Sentinel
