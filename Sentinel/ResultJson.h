// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/ScanResult.h"

#include <QByteArray>
#include <QJsonObject>

namespace Sentinel {

//! \brief The fields of \p result: verdict, reason, detail, sha256, findings, coverage.
QJsonObject toJson(const ScanResult &result);

//! \brief Sets "path" to \p path as people may see it, and "pathBase64" to its bytes if these are
//! others.
void setPath(QJsonObject &object, const QByteArray &path);

//! \brief One line. Characters that could deceive a terminal stand as \\uXXXX, which every reader
//! of JSON turns back.
QByteArray jsonLine(const QJsonObject &object);

} // namespace Sentinel
