// SPDX-License-Identifier: MIT
#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileType.h"
#include "SecurityTap/policy/PolicyClause.h"
#include "SecurityTap/text/ByteSize.h"
#include "SecurityTap/text/DurationText.h"

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

constexpr qint64 unboundedBytes = std::numeric_limits<qint64>::max();
//! Longest first, so that none is taken for the beginning of another.
constexpr std::array sizeOperators{"<=", ">=", "<", ">"};

using ClausePartRead = std::expected<void, QString>;

ClausePartRead badValue(const QString &text, const QString &what)
{
    return std::unexpected(QStringLiteral("\"%1\" is %2").arg(text, what));
}

QString allNamesOf(const auto &values)
{
    QStringList names;
    for (const auto value : values)
        names.append(nameOf(value));
    return names.join(QStringLiteral(", "));
}

bool isMimeToken(QStringView text)
{
    const auto fits = [](QChar c) {
        return (c >= u'a' && c <= u'z') || (c >= u'0' && c <= u'9')
            || QStringView(u"!#$&^_.+-").contains(c);
    };
    return !text.isEmpty() && std::ranges::all_of(text, fits);
}

bool isMimePattern(const QString &text)
{
    const qsizetype slash = text.indexOf(u'/');
    if (slash < 0 || text == QLatin1String("*/*"))
        return slash > 0;
    const QStringView subtype = QStringView(text).sliced(slash + 1);
    return isMimeToken(QStringView(text).first(slash))
        && (subtype == QLatin1String("*") || isMimeToken(subtype));
}

//! Reads a clause word by word; the first problem ends it.
class ClauseReader {
public:
    explicit ClauseReader(const QString &text) : m_text(text) { }

    std::expected<PolicyClause, QString> read()
    {
        if (m_text.size() > Limits::maxClauseCharacters) {
            return std::unexpected(
                QStringLiteral("has more than %1 characters").arg(Limits::maxClauseCharacters));
        }
        ClausePartRead good = readEffect();
        while (good && nextWord())
            good = readCondition();
        if (good && m_given.isEmpty())
            good = std::unexpected(QStringLiteral("a condition is missing, such as verdict=Clean"));
        if (good)
            good = checkWhole();
        if (!good)
            return std::unexpected(QStringLiteral("at %1: %2").arg(m_start + 1).arg(good.error()));
        return std::move(m_clause);
    }

private:
    //! The next word is m_word; false at the end.
    bool nextWord()
    {
        while (m_end < m_text.size() && m_text[m_end] == u' ')
            ++m_end;
        m_start = m_end;
        while (m_end < m_text.size() && m_text[m_end] != u' ')
            ++m_end;
        m_word = m_text.sliced(m_start, m_end - m_start);
        return !m_word.isEmpty();
    }

    ClausePartRead readEffect()
    {
        nextWord();
        const auto effect = dispositionNamed(m_word);
        if (!effect)
            return badValue(m_word, QStringLiteral("none of release, warn, block, quarantine"));
        m_clause.effect = *effect;
        nextWord();
        if (m_word.startsWith(QLatin1String("hold="))) {
            const QString written = m_word.sliced(5);
            m_clause.hold = durationOf(written);
            if (!m_clause.hold || *m_clause.hold > Limits::maxHold) {
                return badValue(written,
                    QStringLiteral("no time such as 500ms or 5s, up to %1")
                        .arg(durationText(Limits::maxHold)));
            }
            nextWord();
        }
        if (m_word != QLatin1String("if"))
            return std::unexpected(QStringLiteral("here \"if\" is missing"));
        return {};
    }

    ClausePartRead readCondition()
    {
        if (m_word.startsWith(QLatin1String("size")))
            return readSize();
        const qsizetype equals = m_word.indexOf(u'=');
        const QString key = m_word.left(std::max<qsizetype>(equals, 0));
        const auto reader = std::ranges::find_if(conditionReaders,
            [&](const ConditionReader &one) { return key == QLatin1StringView(one.key); });
        if (reader == conditionReaders.end()) {
            return badValue(m_word,
                QStringLiteral("no condition: these are verdict=, reason=, origin=, mime=, type= "
                               "and size<"));
        }
        if (m_given.contains(key))
            return std::unexpected(QStringLiteral("%1= was given before").arg(key));
        m_given.append(key);
        for (const QString &value : m_word.sliced(equals + 1).split(u',')) {
            if (const ClausePartRead good = (this->*reader->read)(value); !good)
                return good;
        }
        return {};
    }

    ClausePartRead readVerdict(const QString &text)
    {
        const auto verdict = verdictNamed(text);
        if (!verdict)
            return badValue(text, QStringLiteral("none of %1").arg(allNamesOf(allVerdicts)));
        m_clause.verdicts.push_back(*verdict);
        return {};
    }

    ClausePartRead readReason(const QString &text)
    {
        const auto reason = reasonNamed(text);
        if (!reason || *reason == Reason::None)
            return badValue(text, QStringLiteral("no reason such as QueueFull or TooLarge"));
        if (!isReleasable(*reason))
            return badValue(text, QStringLiteral("no matter of policy: nothing whole is there"));
        m_clause.reasons.push_back(*reason);
        return {};
    }

    ClausePartRead readOrigin(const QString &text)
    {
        auto origin = OriginPattern::parse(text);
        if (!origin)
            return std::unexpected(std::move(origin.error()));
        m_clause.origins.push_back(*std::move(origin));
        return {};
    }

    ClausePartRead readMimeType(const QString &text)
    {
        const QString pattern = text.toLower();
        if (!isMimePattern(pattern))
            return badValue(text, QStringLiteral("no MIME type such as text/html, text/* or */*"));
        m_clause.mimeTypes.append(pattern);
        return {};
    }

    ClausePartRead readFileType(const QString &text)
    {
        const auto type = fileTypeFromName(text.toLower());
        if (!type)
            return badValue(text, QStringLiteral("no file type such as archive or executable"));
        m_clause.fileTypes.push_back(*type);
        return {};
    }

    ClausePartRead readSize()
    {
        const QString rest = m_word.sliced(4);
        const auto op = std::ranges::find_if(sizeOperators,
            [&](const char *one) { return rest.startsWith(QLatin1StringView(one)); });
        if (op == sizeOperators.end())
            return badValue(m_word, QStringLiteral("no size<, size<=, size> or size>="));
        const QLatin1StringView sign(*op);
        const QString written = rest.sliced(sign.size());
        const auto bytes = byteSizeOf(written);
        const bool isUpper = sign.front() == u'<';
        const bool isStrict = sign.size() == 1;
        if (!bytes || *bytes == unboundedBytes || (isUpper && isStrict && *bytes == 0))
            return badValue(written, QStringLiteral("no size such as 300B or 10MiB"));
        const QString side = isUpper ? QStringLiteral("size<") : QStringLiteral("size>");
        if (m_given.contains(side))
            return std::unexpected(QStringLiteral("%1 was given before").arg(side));
        m_given.append(side);
        if (isUpper)
            m_clause.mostBytes = isStrict ? *bytes - 1 : *bytes;
        else
            m_clause.leastBytes = isStrict ? *bytes + 1 : *bytes;
        return {};
    }

    ClausePartRead checkWhole() const
    {
        const auto &[effect, hold, verdicts, reasons, origins, mimeTypes, fileTypes, least, most] =
            m_clause;
        if (!reasons.empty() && !verdicts.empty() && verdicts != std::vector{Verdict::NotScanned})
            return std::unexpected(QStringLiteral("a reason= goes with NotScanned alone"));
        if (hold && (reasons.empty() || !std::ranges::all_of(reasons, &isHoldable))) {
            return std::unexpected(QStringLiteral(
                "hold= goes with reason=QueueFull,ScannerUnavailable or one of them"));
        }
        if (least > most)
            return std::unexpected(QStringLiteral("no size fits"));
        return {};
    }

    struct ConditionReader {
        const char *key;
        ClausePartRead (ClauseReader::*read)(const QString &value);
    };
    static const std::array<ConditionReader, 5> conditionReaders;

    const QString m_text;
    qsizetype m_start = 0;
    qsizetype m_end = 0;
    QString m_word;
    QStringList m_given;
    PolicyClause m_clause;
};

const std::array<ClauseReader::ConditionReader, 5> ClauseReader::conditionReaders{
    ConditionReader{"verdict", &ClauseReader::readVerdict},
    ConditionReader{"reason", &ClauseReader::readReason},
    ConditionReader{"origin", &ClauseReader::readOrigin},
    ConditionReader{"mime", &ClauseReader::readMimeType},
    ConditionReader{"type", &ClauseReader::readFileType},
};

//! " KEY=VALUE,VALUE"; empty without values.
QString conditionText(const char *key, const auto &values, auto textOf)
{
    QStringList texts;
    for (const auto &value : values)
        texts.append(textOf(value));
    return texts.isEmpty() ? QString()
                           : QStringLiteral(" %1=%2").arg(QLatin1StringView(key), texts.join(u','));
}

QString inOneWord(QString text)
{
    return text.remove(u' ');
}

//! Of the two ways to say the same bound the one with the shorter number.
QString boundText(const char *with, qint64 bound, const char *without, qint64 beside)
{
    const QString one = inOneWord(byteSizeText(bound));
    const QString other = inOneWord(byteSizeText(beside));
    return QStringLiteral(" size")
        + (other.size() < one.size() ? QLatin1StringView(without) + other
                                     : QLatin1StringView(with) + one);
}

} // namespace

std::expected<PolicyClause, QString> PolicyClause::parse(const QString &text)
{
    return ClauseReader(text).read();
}

QString PolicyClause::toString() const
{
    QString text = nameOf(effect).toLower();
    if (hold)
        text += QStringLiteral(" hold=") + inOneWord(durationText(*hold));
    text += QStringLiteral(" if");
    const auto name = [](auto value) { return nameOf(value); };
    text += conditionText("verdict", verdicts, name);
    text += conditionText("reason", reasons, name);
    text += conditionText("origin", origins, [](const auto &one) { return one.toString(); });
    text += conditionText("mime", mimeTypes, [](const QString &one) { return one; });
    text += conditionText("type", fileTypes, name);
    if (leastBytes > 0)
        text += boundText(">=", leastBytes, ">", leastBytes - 1);
    if (mostBytes < unboundedBytes)
        text += boundText("<=", mostBytes, "<", mostBytes + 1);
    return text;
}

} // namespace Sentinel
