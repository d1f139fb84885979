// SPDX-License-Identifier: MIT
#include "tests/support/ScanLoad.h"

#include "tests/support/EventLoop.h"
#include "tests/support/RuleDirectory.h"

#include <QTimer>

#include <utility>

using namespace std::chrono_literals;

namespace Sentinel::Test {

namespace {

constexpr qsizetype maxComplaints = 10;
constexpr qint64 largeBytes = 2 * 1024 * 1024;
constexpr quint64 largeOnes = 16; // one in so many
constexpr quint64 sizes = 400;

QByteArray finished(quint64 index, QByteArray bytes)
{
    bytes.append(QByteArray::number(index));
    if (ScanLoad::isMarked(index))
        bytes.append("THREAT-MARK");
    return bytes;
}

} // namespace

QByteArray ScanLoad::smallContent(quint64 index)
{
    return finished(index, QByteArray(qsizetype(index % sizes), 's'));
}

QByteArray ScanLoad::mixedContent(quint64 index)
{
    static const QByteArray large = noise(largeBytes);
    return index % largeOnes == 0 ? finished(index, large) : smallContent(index);
}

std::optional<QString> ScanLoad::judgeByMark(quint64 index, const ScanResult &result)
{
    const Verdict right = isMarked(index) ? Verdict::Malicious : Verdict::Clean;
    if (result.verdict() == Verdict::NotScanned || result.verdict() == right)
        return std::nullopt;
    return describe(result);
}

ScanLoad::ScanLoad(SecurityTap &tap, Contents contents, Judge judge)
    : m_tap(tap), m_contents(std::move(contents)), m_judge(std::move(judge))
{
    constexpr size_t reserved = 1 << 20; // so that the memory of the books does not grow
    m_answers.reserve(reserved);
}

void ScanLoad::start(int inFlight)
{
    m_inFlight = inFlight;
    askWhatIsMissing();
}

void ScanLoad::askWhatIsMissing()
{
    while (m_open + m_resting < m_inFlight)
        ask();
}

bool ScanLoad::finish()
{
    stop();
    if (!runUntil([this] { return m_open == 0; }))
        return false;
    for (quint64 index = 0; index < asked(); ++index) {
        if (m_answers[index] != 1)
            complain(index, QStringLiteral("%1 answers").arg(m_answers[index]));
    }
    return true;
}

void ScanLoad::ask()
{
    const quint64 index = m_answers.size();
    m_answers.push_back(0);
    ++m_open;
    m_tap.asyncInspectDownload(DownloadMetadata{}, m_contents(index), &m_context,
        [this, index](const Outcome &outcome) { onAnswer(index, outcome.result); });
}

void ScanLoad::onAnswer(quint64 index, const ScanResult &result)
{
    ++m_answers[index];
    --m_open;
    if (const auto wrong = m_judge(index, result))
        complain(index, *wrong);
    if (result.verdict() == Verdict::NotScanned) {
        ++m_notScanned[result.reason()];
        m_lastDetail[result.reason()] = result.detail();
    } else {
        ++m_verdicts;
        m_threats += result.isThreat();
        m_isWatchedSeen |= index >= m_watched;
    }
    if (m_rest == 0ms)
        return askWhatIsMissing();
    ++m_resting;
    QTimer::singleShot(m_rest, &m_context, [this] {
        --m_resting;
        askWhatIsMissing();
    });
}

void ScanLoad::complain(quint64 index, const QString &about)
{
    if (m_complaints.size() < maxComplaints)
        m_complaints.append(QStringLiteral("content %1: %2").arg(index).arg(about));
}

bool ScanLoad::awaitVerdicts(quint64 count)
{
    const quint64 enough = m_verdicts + count;
    while (m_verdicts < enough) { // with patience for each
        const quint64 before = m_verdicts;
        if (!runUntil([&] { return m_verdicts > before; }))
            return false;
    }
    return true;
}

std::optional<ScanLoad::Clock::duration> ScanLoad::timeToVerdict()
{
    const auto begin = Clock::now();
    m_watched = asked();
    m_isWatchedSeen = false;
    ask();
    if (!runUntil([this] { return m_isWatchedSeen; }))
        return std::nullopt;
    return Clock::now() - begin;
}

quint64 ScanLoad::notScanned(Reason reason) const
{
    const auto at = m_notScanned.find(reason);
    return at == m_notScanned.end() ? 0 : at->second;
}

QString ScanLoad::summary() const
{
    QString text = QStringLiteral("%1 contents, %2 verdicts").arg(asked()).arg(m_verdicts);
    for (const auto &[reason, count] : m_notScanned) {
        text += QStringLiteral(", %1 %2 (the last: %3)")
                    .arg(QString::number(count), nameOf(reason), m_lastDetail.at(reason));
    }
    return text;
}

} // namespace Sentinel::Test
