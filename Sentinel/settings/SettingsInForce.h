// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/SettingKey.h"
#include "Sentinel/settings/SettingsFile.h"
#include "Sentinel/settings/SettingsProblem.h"

#include <expected>
#include <map>

namespace Sentinel {

//! \brief The settings that hold, and where each of them comes from.
//!
//! Made in layers, of which the later one wins: the defaults; the preset that the file names; the
//! file; the environment; the command line. settle() ends it.
class SettingsInForce {
public:
    enum class Layer : quint8 { Default, Preset, File, Environment, CommandLine };
    struct Origin {
        Layer layer = Layer::Default;
        int line = 0; //!< of the file
    };

    //! The defaults.
    SettingsInForce() = default;

    //! What \p file says, all of it or nothing.
    std::expected<void, SettingsProblems> addFile(const SettingsFile &file);
    //! SENTINEL_RULES and SENTINEL_SOCKET.
    void addEnvironment();
    //! What an option says of the key \p name. \p value is within its bounds.
    void addOption(const char *name, const SettingValue &value);
    //! Fills in what follows from the machine. Of two values that do not go together the one of the
    //! lower layer gives way; two of the file are an error.
    std::expected<void, SettingsProblems> settle();

    const ProgramSettings &values() const { return m_values; }
    Origin originOf(const SettingKey &key) const;
    Origin originOf(const char *name) const;
    //! The file that was added, absolute; empty if none was.
    const QString &filePath() const { return m_filePath; }

    //! The settings as a file of settings, with the origin of each as a comment.
    QString toToml() const;

private:
    void set(const SettingKey &key, const SettingValue &value, Origin origin);
    std::expected<void, SettingsProblem> order(const SettingKey &lower, const SettingKey &upper);

    ProgramSettings m_values;
    std::map<const SettingKey *, Origin> m_origins; // those that are no defaults
    QString m_filePath;
};

//! \brief The name of a layer: "default", "preset", "file", "environment", "command line".
QString nameOf(SettingsInForce::Layer layer);

//! \brief A file of settings that sets nothing and shows every key with its default, commented out.
QString exampleSettings();

} // namespace Sentinel
