// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/settings/ProgramSettings.h"

#include <QJsonValue>
#include <QString>
#include <QStringList>

#include <chrono>
#include <expected>
#include <optional>
#include <span>
#include <variant>

namespace Sentinel {

//! \brief A value on its way: a switch; a number, which also stands for bytes, milliseconds and the
//! place of a choice; a text; several texts.
using SettingValue = std::variant<bool, qint64, QString, QStringList>;

//! \brief One key that can be set: everything that is known of it, in one place.
//!
//! The type of the setting that it is bound to makes the type of its values: bool; int, a number;
//! qint64, bytes; milliseconds; an enumeration, by the names of its values; QString; QStringList.
//! Its default is what a ProgramSettings has.
struct SettingKey {
    template <typename Setting>
    using Place = Setting &(*)(ProgramSettings &);
    using AnyPlace = std::variant<Place<bool>, Place<int>, Place<qint64>,
        Place<std::chrono::milliseconds>, Place<QString>, Place<QStringList>, Place<Severity>,
        Place<Isolation>, Place<Preset>, Place<Disposition>>;
    //! What is wrong with a value that is of the right type and within bounds; nothing if it is
    //! not.
    using Check = std::optional<QString> (*)(const SettingValue &value);

    const char *name; //!< "scan.workers": section and key; or a key without a section
    AnyPlace place;
    const char *help; //!< for people, one sentence in one line, without a full stop

    qint64 least = 0; //!< of numbers, bytes, milliseconds; bytes of a text; number of texts
    qint64 most = 0;
    std::span<const char *const> choices = {}; //!< of an enumeration, in its order
    const char *form = nullptr; //!< of texts: what they have to be
    Check check = nullptr;
    const char *openDefault = nullptr; //!< what 0 or nothing stands for, if it stands for something

    QString section() const; //!< empty for keys without one
    QString lastName() const; //!< "workers"

    SettingValue valueIn(const ProgramSettings &settings) const;
    //! \p value has this key's type.
    void set(ProgramSettings &settings, const SettingValue &value) const;

    //! \p raw, as it stands in a file, as a value of this key; or what is wrong with it and what is
    //! allowed, to stand behind the key's name.
    std::expected<SettingValue, QString> read(const SettingValue &raw) const;
    //! What a value has to be, for people: `a number, 1 to 64`.
    QString wanted() const;
    //! The same without the type, for tables: `1 to 64`.
    QString bounds() const;

    //! \p value as it stands in a file of settings.
    QString toToml(const SettingValue &value) const;
    //! \p value in JSON: bytes and milliseconds are numbers.
    QJsonValue toJson(const SettingValue &value) const;
};

//! \brief Values of a file can be of types that no key has: what \p read would say of these.
QString wrongType(const SettingKey &key, const QString &whatItIs);

} // namespace Sentinel
