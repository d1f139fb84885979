// SPDX-License-Identifier: MIT
#include "Sentinel/settings/PathCheck.h"

#include "Sentinel/settings/TomlText.h"

namespace Sentinel {

std::optional<QString> checkPath(const QString &path)
{
    if (path.startsWith(u'/') && !path.contains(QChar::Null))
        return std::nullopt;
    return QStringLiteral("%1 is not an absolute path").arg(tomlText(path));
}

std::optional<QString> checkPathOrNone(const SettingValue &value)
{
    const auto &path = std::get<QString>(value);
    return path.isEmpty() ? std::nullopt : checkPath(path);
}

} // namespace Sentinel
