// SPDX-License-Identifier: MIT
#pragma once

#include <QStringList>

namespace Sentinel {

//! \brief Which of \p names somebody may have meant who wrote \p written: the one that takes the
//! fewest changes of a character, if these are few; empty if it is none. A name that has only been
//! put into the wrong section is found by its last part.
QString nearestName(const QString &written, const QStringList &names);

} // namespace Sentinel
