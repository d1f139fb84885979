// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <vector>

namespace Sentinel {

//! \brief One thing that is wrong with a file of settings.
struct SettingsProblem {
    QString file;
    int line = 0; //!< from 1; 0: the file as a whole
    int column = 0; //!< from 1, in characters; 0: the line as a whole
    QString key; //!< "scan.workers"; empty: none is to blame
    QString text; //!< what is wrong, and what is allowed
};

using SettingsProblems = std::vector<SettingsProblem>;

//! \brief One line, "FILE:LINE:COLUMN: KEY: TEXT" without what is not known. Not made printable
//! yet.
QString describe(const SettingsProblem &problem);

} // namespace Sentinel
