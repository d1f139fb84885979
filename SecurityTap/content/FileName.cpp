// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileName.h"

#include "SecurityTap/Limits.h"

#include <QStringDecoder>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;

// ---- characters

struct Range {
    char32_t first;
    char32_t last;
};

// Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt where it is no format
// character, and the blank that looks like nothing.
constexpr std::array invisibleRanges{
    Range{0x034f, 0x034f}, // combining grapheme joiner
    Range{0x115f, 0x1160}, // Hangul fillers
    Range{0x17b4, 0x17b5}, Range{0x180b, 0x180f}, // Mongolian variation selectors
    Range{0x2065, 0x2065}, Range{0x2800, 0x2800}, // Braille blank
    Range{0x3164, 0x3164}, // Hangul filler
    Range{0xfe00, 0xfe0f}, // variation selectors
    Range{0xffa0, 0xffa0}, // half width Hangul filler
    Range{0xfff0, 0xfff8}, Range{0xe0000, 0xe0fff}, // tags, more variation selectors
};

// Prepended_Concatenation_Mark: format characters by category that do show.
constexpr std::array visibleFormatRanges{
    Range{0x0600, 0x0605},
    Range{0x06dd, 0x06dd},
    Range{0x0890, 0x0891},
    Range{0x08e2, 0x08e2},
    Range{0x110bd, 0x110bd},
    Range{0x110cd, 0x110cd},
};

template <size_t size>
bool contains(const std::array<Range, size> &ranges, char32_t c)
{
    return std::any_of(ranges.begin(), ranges.end(),
        [c](const Range &range) { return c >= range.first && c <= range.last; });
}

bool isControl(char32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

bool isInvisible(char32_t c)
{
    return contains(invisibleRanges, c)
        || (QChar::category(c) == QChar::Other_Format && !contains(visibleFormatRanges, c));
}

bool isNoText(char32_t c)
{
    return QChar::isSurrogate(c) || QChar::isNonCharacter(c);
}

// The code points of \p text; unpaired surrogates come as themselves.
std::u32string codePoints(const QString &text)
{
    std::u32string result;
    result.reserve(static_cast<size_t>(text.size()));
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        if (c.isHighSurrogate() && i + 1 < text.size() && text[i + 1].isLowSurrogate())
            result += QChar::surrogateToUcs4(c, text[++i]);
        else
            result += c.unicode();
    }
    return result;
}

// ---- sanitising

QString withoutBadCharacters(const QString &name)
{
    constexpr QStringView forbidden = u"/\\:*?\"<>|";
    QString result;
    result.reserve(name.size());
    for (const char32_t c : codePoints(name)) {
        if (isControl(c) || isNoText(c) || (c < 0x80 && forbidden.contains(QChar(c))))
            result += u'_';
        else if (isInvisible(c))
            continue;
        else if (QChar::isSpace(c)) // a row of spaces pushes the extension out of sight
            result += result.endsWith(u' ') ? u""_s : u" "_s;
        else
            result += QChar::fromUcs4(c);
    }
    return result.normalized(QString::NormalizationForm_C);
}

bool isTrimmed(QChar c)
{
    return c == u'.' || c == u' ' || c == u'~';
}

// Dots and tildes hide a name or make it a backup; Windows drops dots and spaces at the end.
QStringView trimmedEnd(QStringView name)
{
    while (!name.isEmpty() && isTrimmed(name.back()))
        name.chop(1);
    return name;
}

QStringView trimmed(QStringView name)
{
    while (!name.isEmpty() && isTrimmed(name.front()))
        name = name.sliced(1);
    return trimmedEnd(name);
}

// The start of \p text that takes at most \p maxBytes of UTF-8, in whole code points.
QStringView firstBytes(QStringView text, qsizetype maxBytes)
{
    qsizetype bytes = 0;
    qsizetype end = 0;
    while (end < text.size()) {
        const bool isPair = text[end].isHighSurrogate();
        const char16_t c = text[end].unicode();
        bytes += isPair ? 4 : c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
        if (bytes > maxBytes)
            break;
        end += isPair ? 2 : 1;
    }
    return text.first(std::min(end, text.size()));
}

// The extension stays: without it, "x.pdf<pad>.exe" would be cut into a document.
QString shortened(const QString &name)
{
    constexpr qsizetype maxBytes = Limits::maxFileNameBytes;
    constexpr qsizetype maxCodePointBytes = 4;
    if (name.toUtf8().size() <= maxBytes)
        return name;
    const qsizetype dot = name.lastIndexOf(u'.');
    const QString extension = dot > 0 ? name.sliced(dot) : QString();
    const qsizetype room = maxBytes - extension.toUtf8().size();
    if (extension.isEmpty() || room < maxCodePointBytes)
        return trimmedEnd(firstBytes(name, maxBytes)).toString();
    const QStringView stem = firstBytes(QStringView(name).first(dot), room);
    return stem.toString() + extension;
}

// https://learn.microsoft.com/windows/win32/fileio/naming-a-file: with any extension.
bool isDeviceName(const QString &name)
{
    const QString base = name.section(u'.', 0, 0).trimmed().toUpper();
    static constexpr std::array devices{
        u"CON", u"PRN", u"AUX", u"NUL", u"CONIN$", u"CONOUT$", u"CLOCK$"};
    if (std::find(devices.begin(), devices.end(), QStringView(base)) != devices.end())
        return true;
    constexpr QStringView digits = u"0123456789\u00b9\u00b2\u00b3"; // superscripts count as digits
    return base.size() == 4 && (base.startsWith(u"COM") || base.startsWith(u"LPT"))
        && digits.contains(base.back());
}

// ---- proposing

QString fromUtf8OrLatin1(const QByteArray &bytes)
{
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    const QString text = decoder(bytes);
    return decoder.hasError() ? QString::fromLatin1(bytes) : text;
}

bool isPercentEncoded(const QByteArray &value)
{
    const auto isHex = [&](qsizetype i) {
        return i < value.size() && std::isxdigit(uchar(value[i]));
    };
    for (qsizetype i = 0; i < value.size(); ++i) {
        const auto c = static_cast<uchar>(value[i]);
        if (c >= 0x80 || c <= 0x20 || (c == '%' && !(isHex(i + 1) && isHex(i + 2))))
            return false;
    }
    return true;
}

// RFC 5987, ext-value: charset'language'percent-encoded.
std::optional<QString> decodedExtended(const QByteArray &value)
{
    const qsizetype first = value.indexOf('\'');
    const qsizetype second = value.indexOf('\'', first + 1);
    if (first <= 0 || second < 0)
        return std::nullopt;
    const QByteArray charset = value.first(first).toLower();
    const QByteArray encoded = value.sliced(second + 1);
    if (!isPercentEncoded(encoded))
        return std::nullopt;
    const QByteArray bytes = QByteArray::fromPercentEncoding(encoded);
    if (charset == "iso-8859-1")
        return QString::fromLatin1(bytes);
    if (charset != "utf-8")
        return std::nullopt;
    QStringDecoder decoder(QStringDecoder::Utf8, QStringDecoder::Flag::Stateless);
    const QString text = decoder(bytes);
    return decoder.hasError() ? std::nullopt : std::optional(text);
}

// RFC 6266, section 4.1; one parameter at a time, from the position after a ';'.
class DispositionParser {
public:
    explicit DispositionParser(const QByteArray &header) : m_header(header) { }

    // filename* if there is a good one, else filename.
    QString fileName()
    {
        std::optional<QString> plain;
        std::optional<QString> extended;
        // Some servers leave the type out, so what stands there may already be a parameter.
        while (m_position < m_header.size()) {
            const QByteArray name = takeUntil("=;").trimmed().toLower();
            if (m_position == m_header.size() || m_header[m_position] == ';') {
                ++m_position;
                continue;
            }
            ++m_position;
            const std::optional<QByteArray> value = takeValue();
            if (!value || value->isEmpty())
                continue;
            if (name == "filename" && !plain)
                plain = fromUtf8OrLatin1(*value);
            else if (name == "filename*" && !extended)
                extended = decodedExtended(*value);
        }
        if (extended && !extended->isEmpty())
            return *extended;
        return plain.value_or(QString());
    }

private:
    QByteArray takeUntil(QByteArrayView ends)
    {
        const qsizetype start = m_position;
        while (m_position < m_header.size() && !ends.contains(m_header[m_position]))
            ++m_position;
        return m_header.mid(start, m_position - start);
    }

    void skipSpaces()
    {
        while (m_position < m_header.size()
            && (m_header[m_position] == ' ' || m_header[m_position] == '\t'))
            ++m_position;
    }

    // Up to the next ';'. Nothing if a quoted string has no end, or something follows it.
    std::optional<QByteArray> takeValue()
    {
        skipSpaces();
        if (m_position == m_header.size() || m_header[m_position] != '"') {
            const QByteArray token = takeUntil(";").trimmed();
            ++m_position;
            return token;
        }
        ++m_position;
        QByteArray value;
        while (m_position < m_header.size() && m_header[m_position] != '"') {
            if (m_header[m_position] == '\\' && m_position + 1 < m_header.size())
                ++m_position;
            value += m_header[m_position++];
        }
        if (m_position >= m_header.size())
            return std::nullopt;
        ++m_position;
        const bool isAlone = takeUntil(";").trimmed().isEmpty();
        ++m_position;
        return isAlone ? std::optional(value) : std::nullopt;
    }

    const QByteArray &m_header;
    qsizetype m_position = 0;
};

QString lastPathSegment(const QUrl &url)
{
    if (url.scheme() == "data"_L1) // its path is the content
        return {};
    const QByteArray path = url.path(QUrl::FullyEncoded).toUtf8();
    return fromUtf8OrLatin1(QByteArray::fromPercentEncoding(path.mid(path.lastIndexOf('/') + 1)));
}

} // namespace

QString sanitisedFileName(const QString &proposed)
{
    QString name = shortened(trimmed(withoutBadCharacters(proposed)).toString());
    if (isDeviceName(name))
        name = shortened(u'_' + name);
    return name.isEmpty() ? u"download"_s : name;
}

QString proposedFileName(const QByteArray &contentDisposition, const QUrl &url)
{
    const QString name = DispositionParser(contentDisposition).fileName();
    return name.isEmpty() ? lastPathSegment(url) : name;
}

QString printable(const QString &text)
{
    QString result;
    result.reserve(text.size());
    for (const char32_t c : codePoints(text)) {
        if (isControl(c) || isInvisible(c) || isNoText(c))
            result += u"\\u{"_s + QString::number(static_cast<uint>(c), 16) + u'}';
        else
            result += QChar::fromUcs4(c);
    }
    return result;
}

} // namespace Sentinel
