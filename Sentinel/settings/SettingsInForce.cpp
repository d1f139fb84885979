// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingsInForce.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/settings/SettingKeys.h"
#include "Sentinel/settings/SettingsText.h"

#include <QDir>
#include <QThread>

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

const SettingKey &keyOf(const char *name)
{
    const SettingKey *key = findKey(QString::fromLatin1(name));
    Q_ASSERT(key);
    return *key;
}

//! What the shell says by a relative path is meant where it was said.
SettingValue absolute(const SettingValue &value)
{
    const auto *paths = std::get_if<QStringList>(&value);
    if (!paths)
        return value;
    QStringList all;
    for (const QString &path : *paths)
        all.append(QDir::cleanPath(QDir::current().absoluteFilePath(path)));
    return all;
}

} // namespace

void SettingsInForce::set(const SettingKey &key, const SettingValue &value, Origin origin)
{
    key.set(m_values, value);
    m_origins[&key] = origin;
}

std::expected<void, SettingsProblems> SettingsInForce::addFile(const SettingsFile &file)
{
    const auto written = parseSettings(file.text, file.path);
    if (!written)
        return std::unexpected(written.error());
    m_filePath = file.path;
    const auto apply = [&](bool (*isWanted)(const SettingKey &)) {
        for (const WrittenSetting &one : *written) {
            if (isWanted(*one.key))
                set(*one.key, one.value, {Layer::File, one.line});
        }
    };
    const auto isPreset = [](const SettingKey &key) {
        return std::holds_alternative<SettingKey::Place<Preset>>(key.place);
    };
    apply(isPreset);
    if (const auto preset = valuesOf(m_values.preset, QThread::idealThreadCount())) {
        const qint64 timeout = std::chrono::milliseconds(preset->longestTimeout).count();
        set(keyOf("scan.workers"), qint64(preset->workers), {Layer::Preset});
        set(keyOf("scan.queue"), qint64(preset->queuedRequests), {Layer::Preset});
        set(keyOf("scan.timeout-large"), timeout, {Layer::Preset});
    }
    apply([](const SettingKey &) { return true; });
    return {};
}

void SettingsInForce::addEnvironment()
{
    if (const QString rules = qEnvironmentVariable("SENTINEL_RULES"); !rules.isEmpty())
        set(keyOf("rules.paths"), QStringList{rules}, {Layer::Environment});
    if (const QString socket = qEnvironmentVariable("SENTINEL_SOCKET"); !socket.isEmpty())
        set(keyOf("service.socket"), socket, {Layer::Environment});
}

void SettingsInForce::addOption(const char *name, const SettingValue &value)
{
    set(keyOf(name), value, {Layer::CommandLine});
}

std::expected<void, SettingsProblems> SettingsInForce::settle()
{
    m_values = m_values.resolved();
    SettingsProblems problems;
    for (const KeyOrder &one : keyOrders()) {
        if (auto ordered = order(keyOf(one.lower), keyOf(one.upper)); !ordered)
            problems.push_back(std::move(ordered.error()));
    }
    if (!problems.empty())
        return std::unexpected(std::move(problems));
    return {};
}

std::expected<void, SettingsProblem> SettingsInForce::order(
    const SettingKey &lower, const SettingKey &upper)
{
    const SettingValue low = lower.valueIn(m_values);
    const SettingValue high = upper.valueIn(m_values);
    if (low <= high)
        return {};
    const Origin ofLow = originOf(lower);
    const Origin ofHigh = originOf(upper);
    if (ofLow.layer == ofHigh.layer) {
        return std::unexpected(
            SettingsProblem{m_filePath, ofLow.line, 0, QString::fromLatin1(lower.name),
                QStringLiteral("%1 is above %2, %3")
                    .arg(lower.toToml(low), QLatin1StringView(upper.name), upper.toToml(high))});
    }
    if (ofLow.layer < ofHigh.layer)
        set(lower, high, ofHigh);
    else
        set(upper, low, ofLow);
    return {};
}

SettingsInForce::Origin SettingsInForce::originOf(const SettingKey &key) const
{
    const auto found = m_origins.find(&key);
    return found == m_origins.end() ? Origin{} : found->second;
}

SettingsInForce::Origin SettingsInForce::originOf(const char *name) const
{
    return originOf(keyOf(name));
}

QString SettingsInForce::toToml() const
{
    QString text = QStringLiteral("# In force; the file of settings: %1\n")
                       .arg(m_filePath.isEmpty() ? QStringLiteral("none") : printable(m_filePath));
    QString section;
    for (const SettingKey *key : settingKeys()) {
        if (key->section() != std::exchange(section, key->section()))
            text += QStringLiteral("\n[%1]\n").arg(section);
        const Origin origin = originOf(*key);
        const QString where = origin.layer == Layer::File
            ? QStringLiteral("%1:%2").arg(printable(m_filePath)).arg(origin.line)
            : nameOf(origin.layer);
        const SettingValue value = key->valueIn(m_values);
        text += QStringLiteral("%1 = %2 # %3\n")
                    .arg(key->lastName(),
                        key->toToml(origin.layer == Layer::CommandLine ? absolute(value) : value),
                        where);
    }
    return text;
}

QString nameOf(SettingsInForce::Layer layer)
{
    switch (layer) {
    case SettingsInForce::Layer::Default:
        return QStringLiteral("default");
    case SettingsInForce::Layer::Preset:
        return QStringLiteral("preset");
    case SettingsInForce::Layer::File:
        return QStringLiteral("file");
    case SettingsInForce::Layer::Environment:
        return QStringLiteral("environment");
    case SettingsInForce::Layer::CommandLine:
        return QStringLiteral("command line");
    }
    Q_UNREACHABLE();
}

QString exampleSettings()
{
    QString text = QStringLiteral(
        "# Settings of the program sentinel, each with its default. Take the # away to set one.\n"
        "# What they mean in full: docs/configuration.md. `sentinel config check FILE` says "
        "whether\n"
        "# a file is good, `sentinel config show` what is in force.\n");
    QString section;
    for (const SettingKey *key : settingKeys()) {
        if (key->section() != std::exchange(section, key->section()))
            text += QStringLiteral("\n[%1]\n").arg(section);
        text += QStringLiteral("\n# %1\n# (%2").arg(QLatin1StringView(key->help), key->bounds());
        const SettingValue value = key->valueIn(ProgramSettings());
        if (key->openDefault)
            text += QStringLiteral("; %1: %2")
                        .arg(key->toToml(value), QLatin1StringView(key->openDefault));
        text += QStringLiteral(")\n#%1 = %2\n").arg(key->lastName(), key->toToml(value));
    }
    return text;
}

} // namespace Sentinel
