// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QUrl>

namespace Sentinel {

//! \brief Whose share a download from \p url counts in: the same number for all addresses of one
//! site, whatever their subdomain, scheme and port; 0 for none (no address, a local file).
//!
//! A site is the name that somebody could register: the last two labels of a host, three below
//! what countries use as a second level ("co.uk"), an IP address as it is. All that has no host
//! ("data:") is one. Another number in each process, so that nobody can choose to share with
//! others.
SECURITYTAP_EXPORT quint64 shareKeyOf(const QUrl &url);

} // namespace Sentinel
