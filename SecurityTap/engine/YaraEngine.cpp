// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraEngine.h"

#include "SecurityTap/content/FileName.h"
#include "SecurityTap/engine/YaraLibrary.h"
#include "SecurityTap/engine/YaraScan.h"

#include <QFileInfo>

namespace Sentinel {

YaraEngine::YaraEngine(std::shared_ptr<const RuleSet> ruleSet)
    : m_ruleSet(std::move(ruleSet)), m_rules(summaryOf(*m_ruleSet))
{
}

std::unique_ptr<ScanTask> YaraEngine::begin(
    const ScanSubject &subject, std::shared_ptr<const Content> content) const
{
    return begin(m_ruleSet, subject, std::move(content));
}

std::unique_ptr<ScanTask> YaraEngine::begin(std::shared_ptr<const RuleSet> ruleSet,
    const ScanSubject &subject, std::shared_ptr<const Content> content)
{
    QByteArrayList values = externals(subject, *content);
    return std::make_unique<YaraScan>(std::move(ruleSet), std::move(content), std::move(values));
}

QByteArrayList YaraEngine::externals(const ScanSubject &subject, const Content &content)
{
    static_assert(externalVariables.size() == 5);
    // As text ends at a NUL for libyara, one would hide what comes after it.
    const auto text = [](QString value) { return value.replace(QChar(), u'_').toUtf8(); };
    // The name as it came may be a trick, the extension is the one that it will be saved with.
    const QString name = sanitisedFileName(subject.metadata.filename);
    const qsizetype dot = name.lastIndexOf(u'.');
    return {
        text(subject.metadata.filename), text(subject.filePath),
        dot < 0 ? QByteArray() : name.mid(dot).toLower().toUtf8(),
        fileTypeName(content.span()).toUtf8(),
        QByteArray(), // owner: a download has none yet
    };
}

} // namespace Sentinel
