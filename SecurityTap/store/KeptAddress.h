// SPDX-License-Identifier: MIT
#pragma once

#include <QUrl>

namespace Sentinel {

//! \brief What of an address may be a secret (user, password, tokens in the query or fragment), and
//! is never written down: not into a log, a record, or a file's attributes.
inline constexpr auto unkeptAddressParts =
    QUrl::RemoveUserInfo | QUrl::RemoveQuery | QUrl::RemoveFragment;

} // namespace Sentinel
