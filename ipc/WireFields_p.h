// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Limits.h"
#include "ipc/SentinelStatus.h"

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

template <typename Io>
void exchange(Io &io, Field<Io, SandboxFeature> &feature)
{
    io.text(feature.name, IpcLimits::maxNameBytes);
    io.flag(feature.isInForce);
    io.text(feature.whyNot, IpcLimits::maxTextBytes);
}

} // namespace Sentinel
