// SPDX-License-Identifier: MIT
#include "Sentinel/settings/SettingKey.h"

#include "SecurityTap/text/ByteSize.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/settings/NearestName.h"
#include "Sentinel/settings/TomlText.h"

#include <QJsonArray>

#include <algorithm>
#include <type_traits>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

//! Calls \p use with a value of the type of the setting that \p key is bound to.
auto withType(const SettingKey &key, auto use)
{
    return std::visit(
        [&use]<typename Setting>(SettingKey::Place<Setting>) { return use(Setting()); }, key.place);
}

QString amountText(const SettingKey &key, qint64 amount)
{
    return withType(key, [amount]<typename Setting>(const Setting &) {
        if constexpr (std::is_same_v<Setting, qint64>)
            return byteSizeText(amount);
        else if constexpr (std::is_same_v<Setting, milliseconds>)
            return durationText(milliseconds(amount));
        else
            return QString::number(amount);
    });
}

QStringList namesOf(const SettingKey &key)
{
    QStringList names;
    for (const char *name : key.choices)
        names.append(QString::fromLatin1(name));
    return names;
}

QString quoted(const QStringList &texts)
{
    QStringList all;
    for (const QString &text : texts)
        all.append(tomlText(text));
    return all.join(QStringLiteral(", "));
}

std::expected<SettingValue, QString> withinBounds(const SettingKey &key, qint64 amount)
{
    if (amount >= key.least && amount <= key.most)
        return amount;
    return std::unexpected(
        QStringLiteral("%1 is not within %2").arg(amountText(key, amount), key.bounds()));
}

std::expected<SettingValue, QString> choiceOf(const SettingKey &key, const QString &text)
{
    const QStringList names = namesOf(key);
    if (const qsizetype choice = names.indexOf(text); choice >= 0)
        return qint64(choice);
    QString problem = QStringLiteral("%1 is none of %2").arg(tomlText(text), key.bounds());
    if (const QString meant = nearestName(text, names); !meant.isEmpty())
        problem += QStringLiteral("; did you mean %1?").arg(tomlText(meant));
    return std::unexpected(problem);
}

std::expected<SettingValue, QString> fitting(
    const SettingKey &key, const SettingValue &value, qsizetype size)
{
    if (size < key.least || size > key.most)
        return std::unexpected(QStringLiteral("must be %1").arg(key.wanted()));
    return value;
}

//! What the units are, for who has written a number or another text.
QString unitProblem(const SettingKey &key, const QString &written)
{
    return QStringLiteral("%1 is not %2").arg(written, key.wanted());
}

template <typename Setting>
std::expected<SettingValue, QString> readAs(const SettingKey &key, const SettingValue &raw)
{
    const auto *number = std::get_if<qint64>(&raw);
    const auto *text = std::get_if<QString>(&raw);
    if constexpr (std::is_same_v<Setting, bool>) {
        if (std::holds_alternative<bool>(raw))
            return raw;
    } else if constexpr (std::is_same_v<Setting, int>) {
        if (number)
            return withinBounds(key, *number);
    } else if constexpr (std::is_same_v<Setting, qint64>) {
        const auto bytes = text ? byteSizeOf(*text)
            : number            ? std::optional(*number)
                                : std::nullopt;
        if (bytes)
            return withinBounds(key, *bytes);
        if (text)
            return std::unexpected(unitProblem(key, tomlText(*text)));
    } else if constexpr (std::is_same_v<Setting, milliseconds>) {
        if (const auto time = text ? durationOf(*text) : std::nullopt)
            return withinBounds(key, time->count());
        if (text)
            return std::unexpected(unitProblem(key, tomlText(*text)));
        if (number)
            return std::unexpected(unitProblem(key, QString::number(*number)));
    } else if constexpr (std::is_enum_v<Setting>) {
        if (text)
            return choiceOf(key, *text);
    } else if constexpr (std::is_same_v<Setting, QString>) {
        if (text)
            return fitting(key, raw, text->toUtf8().size());
    } else {
        static_assert(std::is_same_v<Setting, QStringList>);
        if (const auto *texts = std::get_if<QStringList>(&raw))
            return fitting(key, raw, texts->size());
    }
    constexpr std::array types{"true or false", "a number", "a text", "a list of texts"};
    static_assert(types.size() == std::variant_size_v<SettingValue>);
    return std::unexpected(wrongType(key, QString::fromLatin1(types[raw.index()])));
}

} // namespace

QString SettingKey::section() const
{
    const auto all = QString::fromLatin1(name);
    return all.left(std::max<qsizetype>(all.lastIndexOf(u'.'), 0));
}

QString SettingKey::lastName() const
{
    const auto all = QString::fromLatin1(name);
    return all.sliced(all.lastIndexOf(u'.') + 1);
}

SettingValue SettingKey::valueIn(const ProgramSettings &settings) const
{
    ProgramSettings copy = settings; // places are for writing, too
    return std::visit(
        [&copy]<typename Setting>(Place<Setting> find) -> SettingValue {
            const Setting &value = find(copy);
            if constexpr (std::is_same_v<Setting, milliseconds>)
                return qint64(value.count());
            else if constexpr (std::is_same_v<Setting, int> || std::is_enum_v<Setting>)
                return qint64(value);
            else
                return value;
        },
        place);
}

void SettingKey::set(ProgramSettings &settings, const SettingValue &value) const
{
    std::visit(
        [&]<typename Setting>(Place<Setting> find) {
            if constexpr (
                std::is_same_v<Setting,
                    int> || std::is_same_v<Setting, milliseconds> || std::is_enum_v<Setting>)
                find(settings) = Setting(std::get<qint64>(value));
            else
                find(settings) = std::get<Setting>(value);
        },
        place);
}

std::expected<SettingValue, QString> SettingKey::read(const SettingValue &raw) const
{
    auto value = withType(
        *this, [&]<typename Setting>(const Setting &) { return readAs<Setting>(*this, raw); });
    if (value && check) {
        if (const auto problem = check(*value))
            return std::unexpected(*problem);
    }
    return value;
}

QString SettingKey::wanted() const
{
    return withType(*this, [this]<typename Setting>(const Setting &) {
        if constexpr (std::is_same_v<Setting, bool>)
            return bounds();
        else if constexpr (std::is_same_v<Setting, int>)
            return QStringLiteral("a number, %1").arg(bounds());
        else if constexpr (std::is_same_v<Setting, qint64>)
            return QStringLiteral("a size such as \"100 MiB\" (B, KiB, MiB, GiB, TiB) or a number "
                                  "of bytes, %1")
                .arg(bounds());
        else if constexpr (std::is_same_v<Setting, milliseconds>)
            return QStringLiteral("a time such as \"500 ms\" (ms, s, min, h), %1").arg(bounds());
        else if constexpr (std::is_enum_v<Setting>)
            return QStringLiteral("one of %1").arg(bounds());
        else
            return bounds();
    });
}

QString SettingKey::bounds() const
{
    return withType(*this, [this]<typename Setting>(const Setting &) {
        if constexpr (std::is_same_v<Setting, bool>)
            return QStringLiteral("true or false");
        else if constexpr (std::is_enum_v<Setting>)
            return quoted(namesOf(*this));
        else if constexpr (std::is_same_v<Setting, QString> || std::is_same_v<Setting, QStringList>)
            return QString::fromLatin1(form);
        else
            return QStringLiteral("%1 to %2")
                .arg(amountText(*this, least), amountText(*this, most));
    });
}

QString SettingKey::toToml(const SettingValue &value) const
{
    if (const auto *isOn = std::get_if<bool>(&value))
        return *isOn ? QStringLiteral("true") : QStringLiteral("false");
    if (const auto *text = std::get_if<QString>(&value))
        return tomlText(*text);
    if (const auto *texts = std::get_if<QStringList>(&value))
        return u'[' + quoted(*texts) + u']';
    const qint64 number = std::get<qint64>(value);
    if (!choices.empty())
        return tomlText(QString::fromLatin1(choices[size_t(number)]));
    return std::holds_alternative<Place<int>>(place) ? QString::number(number)
                                                     : tomlText(amountText(*this, number));
}

QJsonValue SettingKey::toJson(const SettingValue &value) const
{
    if (const auto *isOn = std::get_if<bool>(&value))
        return *isOn;
    if (const auto *text = std::get_if<QString>(&value))
        return *text;
    if (const auto *texts = std::get_if<QStringList>(&value))
        return QJsonArray::fromStringList(*texts);
    const qint64 number = std::get<qint64>(value);
    return choices.empty() ? QJsonValue(number)
                           : QJsonValue(QString::fromLatin1(choices[size_t(number)]));
}

QString wrongType(const SettingKey &key, const QString &whatItIs)
{
    return QStringLiteral("must be %1; this is %2").arg(key.wanted(), whatItIs);
}

} // namespace Sentinel
