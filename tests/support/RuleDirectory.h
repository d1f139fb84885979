// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/TapSettings.h"

#include <QFile>
#include <QTemporaryDir>

namespace Sentinel::Test {

//! \brief A rules directory of a test's own, and settings that use it.
class RuleDirectory {
public:
    explicit RuleDirectory(const QByteArray &text) { write(text); }

    void write(const QByteArray &text) const
    {
        QFile file(m_directory.filePath(QStringLiteral("test.yar")));
        if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size())
            qFatal("cannot write test rules");
    }
    TapSettings settings() const
    {
        TapSettings settings;
        settings.rulePaths = QStringList {m_directory.path()};
        return settings;
    }

private:
    QTemporaryDir m_directory;
};

//! Finds the marker "THREAT-MARK"; takes a second or more (in one evaluation, which libyara cannot
//! interrupt) on contents that begin with "SLOW".
inline QByteArray markerRules()
{
    return "rule marked { strings: $a = \"THREAT-MARK\" condition: $a }\n"
           "rule slow { condition: uint32be(0) == 0x534C4F57 and\n"
           "    for all i in (1..8000000) : (uint8(i % 4) >= 0 and false or true) and false }\n";
}

} // namespace Sentinel::Test
