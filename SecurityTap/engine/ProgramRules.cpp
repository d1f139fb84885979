// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/ProgramRules.h"

#include "SecurityTap/engine/RuleTokens.h"

#include <QSet>

#include <algorithm>
#include <optional>
#include <span>

namespace Sentinel {

namespace {

using Tokens = std::span<const RuleToken>;

//! One rule of the text, or one import.
struct Part {
    Tokens tokens; // from its first word to its last
    QByteArrayView name; // of the rule, or of the module
    Tokens condition; // of a rule
    bool isRule = false;
    bool stays = true;
};

//! The parts of \p condition between \p word where it stands outside of all parentheses.
std::vector<Tokens> split(Tokens condition, const char *word)
{
    std::vector<Tokens> parts;
    size_t begin = 0;
    int depth = 0;
    for (size_t i = 0; i < condition.size(); ++i) {
        depth += condition[i].is("(") - condition[i].is(")");
        if (depth == 0 && condition[i].is(word)) {
            parts.push_back(condition.subspan(begin, i - begin));
            begin = i + 1;
        }
    }
    parts.push_back(condition.subspan(begin));
    return parts;
}

bool isNumber(const RuleToken &token, qint64 value)
{
    bool ok = false;
    const bool isHex = token.text.startsWith("0x");
    const QByteArray digits = (isHex ? token.text.sliced(2) : token.text).toByteArray();
    return digits.toLongLong(&ok, isHex ? 16 : 10) == value && ok;
}

//! True for the parenthesis that the first word of \p tokens opens, if the last one closes it.
bool isInParentheses(Tokens tokens)
{
    if (tokens.size() < 2 || !tokens.front().is("("))
        return false;
    int depth = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
        depth += tokens[i].is("(") - tokens[i].is(")");
        if (depth == 0)
            return i == tokens.size() - 1;
    }
    return false;
}

//! `uint16(0)` or `uint16be(0)`.
bool isRead(Tokens tokens, const char *function)
{
    return tokens.size() == 4 && tokens[0].is(function) && tokens[1].is("(")
        && isNumber(tokens[2], 0) && tokens[3].is(")");
}

//! One comparison that only a file can fulfil that begins with "MZ".
bool comparesWithMz(Tokens tokens)
{
    if (tokens.size() != 6)
        return false;
    const bool isValueLast = tokens[4].is("==");
    if (!isValueLast && !tokens[1].is("=="))
        return false;
    const Tokens read = isValueLast ? tokens.first(4) : tokens.last(4);
    const RuleToken &value = isValueLast ? tokens[5] : tokens[0];
    return (isRead(read, "uint16") && isNumber(value, 0x5A4D))
        || (isRead(read, "uint16be") && isNumber(value, 0x4D5A));
}

//! True if \p condition holds for no file that does not begin with "MZ". `or` binds weakest, then
//! `and`; everything else that this language combines conditions with binds stronger.
bool demandsMz(Tokens condition)
{
    if (isInParentheses(condition))
        return demandsMz(condition.subspan(1, condition.size() - 2));
    if (const auto cases = split(condition, "or"); cases.size() > 1)
        return std::ranges::all_of(cases, &demandsMz);
    if (const auto demands = split(condition, "and"); demands.size() > 1)
        return std::ranges::any_of(demands, &demandsMz);
    return comparesWithMz(condition);
}

//! Reads the rule that begins at \p rest; empty tokens if it is not understood.
Part readRule(Tokens rest)
{
    Part part;
    part.isRule = true;
    bool isGlobal = false;
    size_t i = 0;
    for (; i < rest.size() && !rest[i].is("rule"); ++i)
        isGlobal |= rest[i].is("global");
    if (i + 1 >= rest.size())
        return {};
    part.name = rest[i + 1].text;
    const auto end = std::ranges::find_if(rest, [](const RuleToken &t) { return t.is("}"); });
    const auto label = std::find_if(
        rest.begin(), end, [](const RuleToken &token) { return token.is("condition"); });
    if (end == rest.end() || end - label < 3 || !(label + 1)->is(":"))
        return {};
    part.tokens = rest.first(size_t(end - rest.begin()) + 1);
    part.condition = Tokens(label + 2, end);
    part.stays = isGlobal || !demandsMz(part.condition);
    return part;
}

std::optional<std::vector<Part>> readParts(Tokens rest)
{
    // What is included may name rules of this text, and sets of them without a trace.
    if (std::ranges::any_of(rest, [](const RuleToken &token) { return token.is("include"); }))
        return std::nullopt;
    std::vector<Part> parts;
    while (!rest.empty()) {
        const RuleToken &first = rest.front();
        Part part;
        if (first.is("import")) {
            part.tokens = rest.first(std::min<size_t>(2, rest.size()));
            if (part.tokens.back().kind == RuleToken::Kind::Text)
                part.name = part.tokens.back().text.sliced(1).chopped(1);
        } else if (first.is("rule") || first.is("global") || first.is("private")) {
            part = readRule(rest);
        }
        if (part.tokens.empty())
            return std::nullopt;
        rest = rest.subspan(part.tokens.size());
        parts.push_back(part);
    }
    return parts;
}

//! What the conditions of the rules that stay name: rules, sets of rules ("name*"), modules, and
//! words that mean something else.
class Mentions {
public:
    void add(Tokens condition)
    {
        for (size_t i = 0; i < condition.size(); ++i) {
            if (condition[i].kind != RuleToken::Kind::Word)
                continue;
            if (i + 1 < condition.size() && condition[i + 1].is("*"))
                m_beginnings.push_back(condition[i].text);
            else
                m_names.insert(condition[i].text);
        }
    }
    bool contain(QByteArrayView name) const
    {
        const auto begins = [name](QByteArrayView beginning) { return name.startsWith(beginning); };
        return m_names.contains(name) || std::ranges::any_of(m_beginnings, begins);
    }

private:
    QSet<QByteArrayView> m_names;
    std::vector<QByteArrayView> m_beginnings;
};

void keepWhatIsNamed(std::vector<Part> &parts)
{
    Mentions mentions;
    for (const Part &part : parts) {
        if (part.stays)
            mentions.add(part.condition);
    }
    // A rule can only name those before it.
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->isRule && !part->stays && mentions.contain(part->name)) {
            part->stays = true;
            mentions.add(part->condition);
        }
    }
    for (Part &part : parts) {
        if (!part.isRule && !part.name.isEmpty())
            part.stays = mentions.contain(part.name);
    }
}

} // namespace

ReducedRules withoutProgramRules(const QByteArray &text)
{
    ReducedRules reduced{text};
    const auto tokens = ruleTokens(text);
    auto parts = tokens ? readParts(*tokens) : std::nullopt;
    if (!parts)
        return reduced;
    keepWhatIsNamed(*parts);
    for (const Part &part : *parts) {
        if (part.stays)
            continue;
        reduced.removed += part.isRule;
        const qsizetype begin = part.tokens.front().text.data() - text.constData();
        const RuleToken &last = part.tokens.back();
        const qsizetype end = last.text.data() + last.text.size() - text.constData();
        std::replace_if(
            reduced.text.begin() + begin, reduced.text.begin() + end,
            [](char c) { return c != '\n'; }, ' ');
    }
    return reduced;
}

} // namespace Sentinel
