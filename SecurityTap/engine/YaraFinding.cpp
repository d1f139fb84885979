// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/YaraFinding.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/engine/YaraMatches.h"

#include <algorithm>
#include <cstring>

namespace Sentinel {

namespace {

QVariant metaValue(const YR_META &meta)
{
    switch (meta.type) {
    case META_TYPE_INTEGER:
        return qint64(meta.integer);
    case META_TYPE_BOOLEAN:
        return meta.integer != 0;
    default:
        return QString::fromUtf8(meta.string);
    }
}

void addStrings(YR_SCAN_CONTEXT *context, const YR_RULE &rule, Finding &finding)
{
    const YR_STRING *string = nullptr;
    yr_rule_strings_foreach((&rule), string)
    {
        visitMatches(context->matches[string->idx], [&](const YR_MATCH &match) {
            if (!match.is_private && int(finding.strings.size()) < Limits::maxStringsPerFinding) {
                finding.strings.push_back({QString::fromUtf8(string->identifier),
                    match.base + match.offset, match.match_length});
            } else if (!match.is_private) {
                ++finding.stringsOmitted;
            }
            return true;
        });
    }
}

} // namespace

Severity yaraSeverity(const YR_RULE &rule, Severity unrated)
{
    const YR_META *meta = nullptr;
    yr_rule_metas_foreach((&rule), meta)
    {
        if (meta->type != META_TYPE_STRING || std::strcmp(meta->identifier, "severity") != 0)
            continue;
        const QString value = QString::fromUtf8(meta->string).toLower();
        for (const Severity severity :
            {Severity::Info, Severity::Suspicious, Severity::Malicious}) {
            if (value == nameOf(severity))
                return severity;
        }
    }
    return unrated;
}

Finding yaraFinding(YR_SCAN_CONTEXT *context, const YR_RULE &rule, Severity severity)
{
    Finding finding;
    finding.engine = QStringLiteral("yara");
    finding.rule = QString::fromUtf8(rule.identifier);
    finding.ruleNamespace = QString::fromUtf8(rule.ns->name);
    finding.severity = severity;
    const char *tag = nullptr;
    yr_rule_tags_foreach((&rule), tag)
    {
        finding.tags.append(QString::fromUtf8(tag));
    }
    const YR_META *meta = nullptr;
    yr_rule_metas_foreach((&rule), meta)
    {
        if (int(finding.meta.size()) < Limits::maxMetaPerFinding)
            finding.meta.emplace_back(QString::fromUtf8(meta->identifier), metaValue(*meta));
    }
    addStrings(context, rule, finding);
    return finding;
}

QString yaraErrorText(int error)
{
    switch (error) {
    case ERROR_INSUFFICIENT_MEMORY:
        return QStringLiteral("libyara ran out of memory");
    case ERROR_SCAN_TIMEOUT:
        return QStringLiteral("libyara timed out");
    case ERROR_TOO_MANY_MATCHES:
        return QStringLiteral("libyara found too many matches");
    case ERROR_TOO_MANY_RE_FIBERS:
        return QStringLiteral("a regular expression of the rules is too complex for this content");
    case ERROR_EXEC_STACK_OVERFLOW:
        return QStringLiteral("a condition of the rules is nested too deep");
    case ERROR_CALLBACK_ERROR:
        return QStringLiteral("the rules import a module that is refused");
    default:
        return QStringLiteral("libyara reported error %1").arg(error);
    }
}

} // namespace Sentinel
