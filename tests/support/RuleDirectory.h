// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/SecurityTap.h"
#include "tests/support/Slowness.h"

#include <QFile>
#include <QRandomGenerator>
#include <QSaveFile>
#include <QTemporaryDir>
#include <QtEndian>

#include <functional>
#include <memory>

namespace Sentinel::Test {

//! \brief A rules directory of a test's own, and settings that use it.
class RuleDirectory {
public:
    explicit RuleDirectory(const QByteArray &text) { write(text); }

    //! In one step: who watches the file never finds it empty.
    void write(const QByteArray &text) const
    {
        QSaveFile file(m_directory.filePath(QStringLiteral("test.yar")));
        if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size() || !file.commit())
            qFatal("cannot write test rules");
    }
    TapSettings settings() const
    {
        TapSettings settings;
        settings.custody.reset(); // nothing outlives a test
        settings.rulePaths = QStringList{m_directory.path()};
        return settings;
    }

    //! A tap with these rules, and settings as \p adjust leaves them.
    std::unique_ptr<SecurityTap> makeTap(
        const std::function<void(TapSettings &)> &adjust = {}) const
    {
        TapSettings adjusted = settings();
        if (adjust)
            adjust(adjusted);
        auto tap = SecurityTap::create(adjusted);
        if (!tap)
            qFatal("the test rules do not compile");
        return std::move(*tap);
    }

private:
    QTemporaryDir m_directory;
};

//! Finds the marker "THREAT-MARK", and takes its time over a hang().
inline QByteArray markerRules()
{
    return "rule marked { strings: $a = \"THREAT-MARK\" condition: $a }\n"
           "rule hang { condition: uint32be(0) == 0x48414E47 and\n"
           "    for all i in (1..uint32be(4)) : (uint8(i % 4) >= 0) and false }\n";
}

//! Fewer steps of a hang() than this are done in a second on every machine. Each asks the content,
//! which a sanitizer looks at.
inline constexpr quint32 stepsInASecond = slowness > 1 ? 20'000'000 : 100'000'000;

//! A clean content over whose evaluation, which libyara cannot interrupt, the rules above take
//! \p steps steps.
inline QByteArray hang(quint32 steps = stepsInASecond / 8)
{
    QByteArray bytes("HANG....");
    qToBigEndian(steps, bytes.data() + 4);
    return bytes;
}

//! \p size bytes without a pattern, the same for the same \p seed.
inline QByteArray noise(qint64 size, quint32 seed = 1)
{
    QByteArray bytes((size + 3) / 4 * 4, Qt::Uninitialized);
    QRandomGenerator random(seed);
    random.fillRange(reinterpret_cast<quint32 *>(bytes.data()), bytes.size() / 4);
    bytes.truncate(size);
    return bytes;
}

} // namespace Sentinel::Test
