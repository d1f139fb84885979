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

bool isHexDigit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool isDigit(char c)
{
    return c >= '0' && c <= '9';
}

//! True if all of \p word is one number. The language needs no blank behind one: "1or" is two words
//! to it, which is better not to be understood than to be misunderstood.
bool isNumber(QByteArrayView word)
{
    const bool isHex = word.startsWith("0x");
    if (isHex || word.startsWith("0o"))
        word = word.sliced(2);
    else if (word.endsWith("KB") || word.endsWith("MB"))
        word = word.chopped(2);
    return !word.isEmpty() && std::ranges::all_of(word, isHex ? &isHexDigit : &isDigit);
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
    bool skipFlags();
    void skipWord();
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

//! The flags behind a regular expression, and nothing else that is glued to it.
bool Reader::skipFlags()
{
    const qsizetype begin = m_at;
    skipWord();
    const QByteArrayView flags = m_text.sliced(begin, m_at - begin);
    return flags.isEmpty() || flags == "i" || flags == "s" || flags == "is";
}

void Reader::skipWord()
{
    while (m_at < m_text.size() && isWordCharacter(m_text[m_at]))
        ++m_at;
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
        isWhole = skipTo('/') && skipFlags();
    } else if (first == '{' && !m_tokens.empty() && m_tokens.back().is("=")) {
        kind = RuleToken::Kind::Pattern;
        isWhole = skipHexString();
    } else if (first == '$' || first == '#' || first == '@' || isWordCharacter(first)
        || (first == '!' && !isAt("!="))) {
        kind = isWordCharacter(first) ? RuleToken::Kind::Word : RuleToken::Kind::Variable;
        ++m_at;
        skipWord();
        isWhole = !isDigit(first) || isNumber(m_text.sliced(begin, m_at - begin));
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
