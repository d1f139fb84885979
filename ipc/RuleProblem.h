// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

namespace Sentinel {

//! \brief Something the compiler has to say about one place in the rules.
struct RuleProblem {
    enum class Level : quint8 { Warning, Error };
    Level level = Level::Error;
    QString file; //!< path as found below the path that was given
    int line = 0; //!< from 1; 0 where the file as a whole is meant
    QString message;

    friend bool operator==(const RuleProblem &, const RuleProblem &) = default;
};

} // namespace Sentinel
