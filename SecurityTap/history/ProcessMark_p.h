// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

namespace Sentinel {

//! \brief This process, in words that no other process has: a number is used again.
//!
//! Thread: any.
QString processMark();

//! \brief False if the process that \p mark means has certainly ended. One in another container
//! cannot be seen from here.
//!
//! Thread: any.
bool mayBeAlive(const QString &mark);

} // namespace Sentinel
