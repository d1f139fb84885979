// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/SettingKey.h"
#include "Sentinel/settings/SettingsProblem.h"

#include <QByteArray>

#include <expected>
#include <vector>

namespace Sentinel {

//! \brief One key that a file sets.
struct WrittenSetting {
    const SettingKey *key = nullptr;
    SettingValue value;
    int line = 0; //!< of its value
    int column = 0;
};

//! \brief What \p text, TOML, sets, or all that is wrong with it: unknown keys, wrong types, values
//! out of bounds. What is no TOML, or says a key twice, has one problem, the first. \p file is for
//! the problems.
//!
//! Limits: Limits::maxSettingsFileBytes, maxDotsPerSettingsLine, maxSettingsProblems.
//! Thread: any.
std::expected<std::vector<WrittenSetting>, SettingsProblems> parseSettings(
    const QByteArray &text, const QString &file);

} // namespace Sentinel
