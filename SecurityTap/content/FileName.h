// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>
#include <QUrl>

namespace Sentinel {

//! \brief A name from outside made fit to stand in a directory: one component, no separators, no
//! control or bidirectional formatting characters, no reserved or hidden name, no trailing dots or
//! spaces, at most Limits::maxFileNameBytes bytes of UTF-8 with its extension kept. Never empty.
SECURITYTAP_EXPORT QString sanitisedFileName(const QString &proposed);

//! \brief The name a download proposes: from a Content-Disposition header (RFC 6266, with
//! filename*) if it names one, else from the last segment of the URL's path. Not sanitised.
SECURITYTAP_EXPORT QString proposedFileName(const QByteArray &contentDisposition, const QUrl &url);

//! \brief \p text with every character that could deceive a terminal or a reader shown as an escape
//! such as \\u{202e}; for messages.
SECURITYTAP_EXPORT QString printable(const QString &text);

} // namespace Sentinel
