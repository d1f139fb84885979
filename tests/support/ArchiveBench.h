// SPDX-License-Identifier: MIT
#pragma once

#include "ArchiveMaker.h"
#include "RuleDirectory.h"
#include "RuleSamples.h"
#include "SecurityTap/archive/ArchiveEngine.h"
#include "SecurityTap/engine/YaraEngine.h"

#include <QTest>

namespace Sentinel::Test {

//! \brief The engine that looks into archives, with rules of a test's own.
class ArchiveBench {
public:
    explicit ArchiveBench(const QByteArray &rules)
    {
        const RuleDirectory directory(rules);
        auto compiled = compileRules(directory.settings().rulePaths, {});
        if (!compiled)
            qFatal("%s", qPrintable(describe(compiled.error().front())));
        m_yara = std::make_shared<YaraEngine>(compiled->ruleSet);
    }

    std::unique_ptr<ScanTask> begin(const QByteArray &bytes, const ArchiveSettings &settings = {},
        const QString &name = {}) const
    {
        ScanSubject subject;
        subject.metadata.filename = name;
        return ArchiveEngine(m_yara, settings).begin(subject, Content::fromByteArray(bytes));
    }
    ScanResult scan(const QByteArray &bytes, const ArchiveSettings &settings = {},
        const QString &name = {}) const
    {
        const auto task = begin(bytes, settings, name);
        while (task->step({}) != ScanTask::Progress::Done) { }
        return task->takeResult();
    }
    const std::shared_ptr<const ScanEngine> &yara() const { return m_yara; }

private:
    std::shared_ptr<const ScanEngine> m_yara;
};

//! The rule of the test file, as it is shipped, and one that finds it anywhere.
inline QByteArray eicarRules()
{
    return "rule EICAR { strings: $a = \"EICAR-STANDARD-ANTIVIRUS-TEST-FILE\" condition: $a }\n";
}

//! "inner.tar!x.exe, b.txt": the places of what was found.
inline QString membersOf(const ScanResult &result)
{
    QStringList members;
    for (const Finding &finding : result.findings())
        members.append(finding.member);
    return members.join(QStringLiteral(", "));
}

//! "Malicious", "NotScanned LimitHit: too many members".
inline QString told(const ScanResult &result)
{
    QString text = nameOf(result.verdict());
    if (result.verdict() == Verdict::NotScanned)
        text += u' ' + nameOf(result.reason()) + QStringLiteral(": ") + result.detail();
    return text;
}

} // namespace Sentinel::Test
