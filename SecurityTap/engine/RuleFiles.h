// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/engine/RuleCompiler.h"
#include "ipc/FileDescriptor.h"

#include <QByteArray>

#include <expected>
#include <memory>
#include <vector>

namespace Sentinel {

//! \brief A directory that rule texts and their includes are read from, and nothing beside it.
//!
//! Thread: any.
class RuleDirectory {
public:
    static std::expected<std::shared_ptr<RuleDirectory>, QString> open(const QString &path);

    //! The text of \p relativePath. Symbolic links and ".." may not lead outside.
    std::expected<QByteArray, QString> read(const QString &relativePath) const;

private:
    FileDescriptor m_directory;
};

//! \brief One rule text, read once: what is compiled is what the digest is of.
struct RuleFile {
    std::shared_ptr<RuleDirectory> directory;
    QString relativePath; //!< below the directory
    QString ruleNamespace; //!< unique in its set
    QByteArray text;
};

struct RuleFiles {
    std::vector<RuleFile> files;
    std::vector<RuleProblem> problems;
};

//! \brief True if a file of this \p name is taken from a directory.
SECURITYTAP_EXPORT bool isRuleFileName(const QString &name);

//! \brief Finds and reads all rule files of \p paths, as compileRules() describes.
SECURITYTAP_EXPORT RuleFiles readRuleFiles(const QStringList &paths);

} // namespace Sentinel
