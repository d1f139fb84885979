// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Limits.h"
#include "ipc/ScanResult.h"
#include "ipc/WireReader_p.h"
#include "ipc/WireWriter_p.h"

#include <QStringList>

#include <type_traits>

namespace Sentinel {

//! A field of a message: written from a const one, read into another.
template <typename Io, typename T>
using Field = std::conditional_t<Io::isReader, T, const T>;

//! Up to \p most texts.
template <typename Io>
void texts(
    Io &io, Field<Io, QStringList> &values, int most, qsizetype maxBytes = IpcLimits::maxNameBytes)
{
    io.list(values, most, [&](auto &value) { io.text(value, maxBytes); });
}

//! A result goes over as what it was made from, and what is claimed to follow from that.
void exchange(WireWriter &io, const ScanResult &result);
void exchange(WireReader &io, ScanResult &result);

//! \brief \p result with at most so many findings, the worst, and so many places in each; what is
//! left out is counted in it. Verdict, reason and detail stay.
ScanResult trimmed(const ScanResult &result, int maxFindings, int maxStringsPerFinding);

} // namespace Sentinel
