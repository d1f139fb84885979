// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/SettingsProblem.h"

#include <QByteArray>
#include <QStringList>

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief A file of settings, as it was when it was read.
struct SettingsFile {
    QString path; //!< absolute
    QByteArray text;

    //! Reads \p path, a regular file or /dev/null. Never waits: not for a FIFO's other end either.
    //! Limits: Limits::maxSettingsFileBytes.
    static std::expected<SettingsFile, SettingsProblem> read(const QString &path);
};

//! \brief Where to look for settings if nobody has named a file, the best place first:
//! sentinel/sentinel.toml in XDG_CONFIG_HOME (without it: in ~/.config) and in /etc.
QStringList settingsPlaces();

//! \brief The file that SENTINEL_CONFIG names; else the first that is there of settingsPlaces();
//! else nothing. One that is there and cannot be read is an error.
std::expected<std::optional<SettingsFile>, SettingsProblem> findSettingsFile();

} // namespace Sentinel
