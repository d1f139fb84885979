// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

namespace Sentinel {

//! \brief What is done with a download: a decision, made by Policy alone.
enum class Disposition : quint8 {
    Release, //!< handed to its user
    Block, //!< withheld; nothing of it is left behind
};

//! \brief The name as it stands in JSON: "Release" or "Block".
inline QString nameOf(Disposition disposition)
{
    return disposition == Disposition::Release ? QStringLiteral("Release")
                                               : QStringLiteral("Block");
}

} // namespace Sentinel
