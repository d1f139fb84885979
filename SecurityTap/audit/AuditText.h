// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

namespace Sentinel {

//! \brief A text made fit for a line of the audit log.
struct FittingText {
    QString text;
    bool isCut = false; //!< then it ends with "…"
};

//! \brief \p text, from anywhere, printable() and of at most \p maxBytes bytes of UTF-8, which are
//! at least 8. However long \p text is, only so much of it is looked at. Thread: any.
SECURITYTAP_EXPORT FittingText fittingText(const QString &text, qsizetype maxBytes);

} // namespace Sentinel
