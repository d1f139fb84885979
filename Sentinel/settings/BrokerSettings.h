// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/broker/Broker.h"
#include "Sentinel/settings/ProgramSettings.h"

namespace Sentinel {

//! \brief What a broker is told by \p settings, which are resolved; \p program is a sentinel.
Broker::Settings brokerSettings(const ProgramSettings &settings, const QByteArray &program);

} // namespace Sentinel
