// SPDX-License-Identifier: MIT
#include "SecurityTap/engine/RuleTokens.h"

#include <algorithm>

namespace Sentinel {

namespace {

bool isSpace(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool isWordCharacter(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

//! Reads one rule text from its start to its end.
class Reader {
public:
    explicit Reader(QByteArrayView text) : m_text(text) { }

    std::optional<std::vector<RuleToken>> read();

private:
    bool isAt(const char *mark) const { return m_text.sliced(m_at).startsWith(mark); }
    bool skipComment();
    bool skipTo(char end);
    bool skipHexString();
    bool readToken();

    const QByteArrayView m_text;
    qsizetype m_at = 0;
    std::vector<RuleToken> m_tokens;
};

std::optional<std::vector<RuleToken>> Reader::read()
{
    while (m_at < m_text.size()) {
        if (isSpace(m_text[m_at])) {
            ++m_at;
        } else if (isAt("//") || isAt("/*")) {
            if (!skipComment())
                return std::nullopt;
        } else if (!readToken()) {
            return std::nullopt;
        }
    }
    return std::move(m_tokens);
}

bool Reader::skipComment()
{
    const bool isLine = isAt("//");
    const qsizetype end = m_text.indexOf(isLine ? "\n" : "*/", m_at + 2);
    if (end < 0 && !isLine)
        return false;
    m_at = end < 0 ? m_text.size() : end + (isLine ? 1 : 2);
    return true;
}

//! To behind the next \p end that has no backslash before it; neither goes beyond its line.
bool Reader::skipTo(char end)
{
    for (++m_at; m_at < m_text.size() && m_text[m_at] != '\n'; ++m_at) {
        if (m_text[m_at] == end) {
            ++m_at;
            return true;
        }
        if (m_text[m_at] == '\\')
            ++m_at;
    }
    return false;
}

bool Reader::skipHexString()
{
    while (m_at < m_text.size()) {
        if (isAt("//") || isAt("/*")) {
            if (!skipComment())
                return false;
        } else if (m_text[m_at++] == '}') {
            return true;
        }
    }
    return false;
}

bool Reader::readToken()
{
    const qsizetype begin = m_at;
    const char first = m_text[m_at];
    auto kind = RuleToken::Kind::Mark;
    bool isWhole = true;
    if (first == '"') {
        kind = RuleToken::Kind::Text;
        isWhole = skipTo('"');
    } else if (first == '/') { // the language divides with a backslash
        kind = RuleToken::Kind::Pattern;
        isWhole = skipTo('/');
    } else if (first == '{' && !m_tokens.empty() && m_tokens.back().is("=")) {
        kind = RuleToken::Kind::Pattern;
        isWhole = skipHexString();
    } else if (first == '$' || first == '#' || first == '@' || isWordCharacter(first)
        || (first == '!' && !isAt("!="))) {
        kind = isWordCharacter(first) ? RuleToken::Kind::Word : RuleToken::Kind::Variable;
        do
            ++m_at;
        while (m_at < m_text.size() && isWordCharacter(m_text[m_at]));
    } else {
        m_at += isAt("==") || isAt("!=") || isAt("<=") || isAt(">=") || isAt("..") ? 2 : 1;
    }
    m_tokens.push_back({kind, m_text.sliced(begin, std::min(m_at, m_text.size()) - begin)});
    return isWhole;
}

} // namespace

std::optional<std::vector<RuleToken>> ruleTokens(QByteArrayView text)
{
    return Reader(text).read();
}

} // namespace Sentinel
