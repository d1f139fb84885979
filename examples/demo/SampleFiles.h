// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>

namespace Sentinel::Demo {

//! \brief Readable text of about \p size bytes.
QByteArray text(qsizetype size);

//! \brief \p size bytes without a pattern, always the same for the same \p seed.
QByteArray binary(qsizetype size, quint32 seed);

//! \brief A benign program for Linux: one that is installed here. Empty if there is none.
QByteArray elfProgram();

//! \brief A benign program for Windows: the smallest valid PE32+ image, which returns at once.
//! Fields by Microsoft's "PE Format" specification.
QByteArray peProgram();

} // namespace Sentinel::Demo
