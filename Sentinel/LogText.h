// SPDX-License-Identifier: MIT
#pragma once

#include <QJsonObject>
#include <QString>

namespace Sentinel {

//! \brief \p event of an audit log as a line for people: when (in local time), what, about what,
//! verdict and disposition, why. Printable, whatever stands in \p event.
QString auditLineFor(const QJsonObject &event);

} // namespace Sentinel
