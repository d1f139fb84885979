// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QString>

#include <vector>

namespace Sentinel {

//! \brief What new rules are tried on, made here and the same at all times.
struct CanaryContent {
    QString name; //!< for people
    QByteArray bytes;
};

//! \brief The EICAR test file, which nobody is harmed by and every scanner is to find:
//! https://www.eicar.org/download-anti-malware-testfile/
CanaryContent eicarContent();

//! \brief Harmless contents of several kinds, that no rule should find; some have what makes a bad
//! expression slow. 64 KiB each at most.
std::vector<CanaryContent> harmlessContents();

} // namespace Sentinel
