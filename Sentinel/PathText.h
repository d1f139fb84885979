// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QString>

namespace Sentinel {

//! \brief \p path for a terminal or a log: what could deceive stands as an escape, as in
//! printable(); bytes that are no UTF-8 as \\x{ff}.
QString pathForPeople(const QByteArray &path);

} // namespace Sentinel
