// SPDX-License-Identifier: MIT
#include "SecurityTap/plugin/SecurityTapPlugin.h"

namespace Sentinel {

//! \brief What QPluginLoader makes: the plugin before its start().
class PluginModule final : public SecurityTapPlugin {
    Q_OBJECT
    Q_PLUGIN_METADATA(IID "sentinel.RequestServerPlugin/1")
};

} // namespace Sentinel

#include "PluginModule.moc"
