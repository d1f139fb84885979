// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QString>

#include <vector>

namespace Sentinel::Test {

//! \brief A made-up download, and whether one rule of the house finds it.
//!
//! Samples are inert: the parts that a rule looks for in an otherwise empty file, with addresses
//! that lead nowhere. They are put together at run time, so that no scanner takes the source or
//! the object file for what the sample imitates.
struct RuleSample {
    const char *rule;
    const char *name;
    QString filename; //!< as the download names it; may be empty
    QByteArray content;
    bool hits;
};

//! At least one sample that hits and one that misses for every rule under rules/.
std::vector<RuleSample> ruleSamples();

//! The 68 bytes of the EICAR test file.
QByteArray eicar();

} // namespace Sentinel::Test
