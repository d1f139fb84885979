// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <array>
#include <optional>

namespace Sentinel {

//! \brief What is done with a download: a decision, made by Policy alone, or by its user where
//! Policy says Warn.
enum class Disposition : quint8 {
    Release, //!< handed to its user
    Block, //!< withheld; nothing of it is left behind
    Quarantine, //!< withheld, and kept where it can do no harm
    Warn, //!< withheld until its user has said what to do
};

inline constexpr std::array allDispositions{
    Disposition::Release, Disposition::Block, Disposition::Quarantine, Disposition::Warn};

//! \brief The name as it stands in JSON and in settings: "Release", "Block" and so on.
inline QString nameOf(Disposition disposition)
{
    switch (disposition) {
    case Disposition::Release:
        return QStringLiteral("Release");
    case Disposition::Block:
        return QStringLiteral("Block");
    case Disposition::Quarantine:
        return QStringLiteral("Quarantine");
    case Disposition::Warn:
        return QStringLiteral("Warn");
    }
    Q_UNREACHABLE();
}

//! \brief The disposition of that name, in any case of letters.
inline std::optional<Disposition> dispositionNamed(const QString &name)
{
    for (const Disposition disposition : allDispositions) {
        if (name.compare(nameOf(disposition), Qt::CaseInsensitive) == 0)
            return disposition;
    }
    return std::nullopt;
}

} // namespace Sentinel
