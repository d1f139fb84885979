// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingsText.h"

#include "Sentinel/Limits.h"
#include "Sentinel/settings/NearestName.h"
#include "Sentinel/settings/SettingKeys.h"
#include "Sentinel/settings/TomlText.h"

#include <QStringDecoder>

#include <algorithm>
#include <optional>

// Its parser here, its errors as values, and no more of it than settings need.
// It asserts what a file may well say ("a = [,"), and copes where asserts are off: ours never ends.
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#define TOML_MAX_NESTED_VALUES 8
#include <toml++/toml.h>

namespace Sentinel {

namespace {

QString textOf(std::string_view text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

const char *nameOf(toml::node_type type)
{
    switch (type) {
    case toml::node_type::table:
        return "a section";
    case toml::node_type::array:
        return "a list of other things";
    case toml::node_type::string:
        return "a text";
    case toml::node_type::integer:
        return "a number";
    case toml::node_type::floating_point:
        return "a number with a fraction";
    case toml::node_type::boolean:
        return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

//! \p node as keys may have it; nothing if no key has such a type.
std::optional<SettingValue> valueOf(const toml::node &node)
{
    if (const auto *isOn = node.as_boolean())
        return isOn->get();
    if (const auto *number = node.as_integer())
        return qint64(number->get());
    if (const auto *text = node.as_string())
        return textOf(text->get());
    const auto *list = node.as_array();
    if (!list)
        return std::nullopt;
    QStringList texts;
    for (const toml::node &entry : *list) {
        const auto *text = entry.as_string();
        if (!text)
            return std::nullopt;
        texts.append(textOf(text->get()));
    }
    return texts;
}

//! Goes through a document and keeps what it sets and what is wrong.
class Reading {
public:
    explicit Reading(const QString &file) : m_file(file)
    {
        for (const SettingKey *key : settingKeys()) {
            m_keys.append(QString::fromLatin1(key->name));
            if (!key->section().isEmpty() && !m_sections.contains(key->section()))
                m_sections.append(key->section());
        }
    }

    void readTable(const toml::table &table, const QString &path)
    {
        for (auto &&[key, node] : table) {
            QString name = textOf(key.str());
            if (name.isEmpty() || name.contains(u'.'))
                name = tomlText(name); // one name, not several
            readNode(path.isEmpty() ? name : path + u'.' + name, key.source().begin, node);
        }
    }

    std::expected<std::vector<WrittenSetting>, SettingsProblems> result()
    {
        if (m_problems.empty())
            return std::move(m_settings);
        // A table has its keys by name, people have them by line.
        std::ranges::stable_sort(m_problems, {},
            [](const SettingsProblem &one) { return std::pair(one.line, one.column); });
        if (const auto all = int(m_problems.size()); all > Limits::maxSettingsProblems) {
            m_problems.resize(Limits::maxSettingsProblems);
            m_problems.push_back({m_file, 0, 0, {},
                QStringLiteral("... and %1 more").arg(all - Limits::maxSettingsProblems)});
        }
        return std::unexpected(std::move(m_problems));
    }

private:
    void readNode(const QString &path, toml::source_position keyPlace, const toml::node &node)
    {
        const bool isSection = m_sections.contains(path);
        if (const auto *table = node.as_table(); table && isSection)
            return readTable(*table, path);
        const SettingKey *key = findKey(path);
        if (!key) {
            report(keyPlace, path,
                (isSection ? QStringLiteral("must be a section, [%1]; this is %2")
                                 .arg(path, QLatin1StringView(nameOf(node.type())))
                           : QStringLiteral("there is no such %1")
                                 .arg(QLatin1StringView(node.is_table() ? "section" : "key")))
                    + suggestion(path, node));
            return;
        }
        const toml::source_position place = node.source().begin;
        const auto raw = valueOf(node);
        const auto value = raw
            ? key->read(*raw)
            : std::unexpected(wrongType(*key, QString::fromLatin1(nameOf(node.type()))));
        if (!value)
            report(node.is_table() ? keyPlace : place, path, value.error());
        else
            m_settings.push_back({key, *value, int(place.line), int(place.column)});
    }

    QString suggestion(const QString &path, const toml::node &node) const
    {
        const QString meant = nearestName(path, node.is_table() ? m_sections + m_keys : m_keys);
        return meant.isEmpty() ? meant : QStringLiteral("; did you mean %1?").arg(meant);
    }

    void report(toml::source_position place, const QString &key, const QString &text)
    {
        m_problems.push_back({m_file, int(place.line), int(place.column), key, text});
    }

    const QString m_file;
    QStringList m_keys;
    QStringList m_sections;
    std::vector<WrittenSetting> m_settings;
    SettingsProblems m_problems;
};

//! What the parser must not be given: it tells of other bytes than UTF-8 in words of its own, and
//! its stack has an end.
std::optional<SettingsProblem> obstacle(const QByteArray &text, const QString &file)
{
    if (text.size() > Limits::maxSettingsFileBytes) {
        return SettingsProblem{file, 0, 0, {},
            QStringLiteral("is larger than %1 MiB")
                .arg(Limits::maxSettingsFileBytes / Limits::mib)};
    }
    int line = 0;
    for (qsizetype from = 0; from < text.size();) {
        ++line;
        const qsizetype end = text.indexOf('\n', from);
        const QByteArrayView one =
            QByteArrayView(text).sliced(from, (end < 0 ? text.size() : end) - from);
        QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
        const QString decoded = decoder(one);
        if (decoder.hasError())
            return SettingsProblem{file, line, 0, {}, QStringLiteral("is not UTF-8")};
        if (one.count('.') > Limits::maxDotsPerSettingsLine) {
            return SettingsProblem{file, line, 0, {},
                QStringLiteral("has more than %1 dots: write a list in several lines")
                    .arg(Limits::maxDotsPerSettingsLine)};
        }
        if (end < 0)
            break;
        from = end + 1;
    }
    return std::nullopt;
}

} // namespace

std::expected<std::vector<WrittenSetting>, SettingsProblems> parseSettings(
    const QByteArray &text, const QString &file)
{
    if (auto problem = obstacle(text, file))
        return std::unexpected(SettingsProblems{*std::move(problem)});
    const toml::parse_result parsed =
        toml::parse(std::string_view(text.constData(), size_t(text.size())));
    if (!parsed) {
        const toml::source_position place = parsed.error().source().begin;
        return std::unexpected(SettingsProblems{{file, int(place.line), int(place.column), {},
            QStringLiteral("is no TOML: %1").arg(textOf(parsed.error().description()))}});
    }
    Reading reading(file);
    reading.readTable(parsed.table(), {});
    return reading.result();
}

} // namespace Sentinel
