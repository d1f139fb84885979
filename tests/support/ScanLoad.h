// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/SecurityTap.h"
#include "tests/support/Patience.h"

#include <QObject>

#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace Sentinel::Test {

//! \brief Keeps a tap busy with contents that nobody has seen before, so many at all times, and
//! keeps the books: what was asked, how often it was answered, and how.
//!
//! Each third content has the THREAT-MARK; \see content().
//!
//! Thread: owner, with an event loop.
class ScanLoad {
public:
    using Clock = std::chrono::steady_clock;
    //! Content number \p index. Small: ten to a few hundred bytes.
    using Contents = std::function<QByteArray(quint64 index)>;
    //! Why \p result is not what content \p index has to be answered; nothing if it is.
    using Judge = std::function<std::optional<QString>(quint64 index, const ScanResult &result)>;

    //! Small ones, and each sixteenth 2 MB. Threats are the ones that isMarked() says.
    static QByteArray mixedContent(quint64 index);
    static QByteArray smallContent(quint64 index);
    static bool isMarked(quint64 index) { return index % 3 == 0; }
    //! Malicious if it is marked, else Clean; NotScanned is no verdict, and not judged.
    static std::optional<QString> judgeByMark(quint64 index, const ScanResult &result);

    ScanLoad(SecurityTap &tap, Contents contents, Judge judge = &judgeByMark);
    Q_DISABLE_COPY_MOVE(ScanLoad)

    //! So many are in flight from now on: an answer is followed by a question, after a rest if one
    //! is set.
    void start(int inFlight);
    //! For the sake of what else the machine is to do meanwhile.
    void setRest(std::chrono::milliseconds rest) { m_rest = rest; }
    //! No more questions.
    void stop() { m_inFlight = 0; }
    //! Stops, and waits for the answers; false if one does not come.
    bool finish();
    //! One more, at once.
    void ask();

    //! Runs the event loop until \p count more contents have got a verdict.
    bool awaitVerdicts(quint64 count);
    //! The time until one of the contents that are asked for from now on has a verdict; nothing if
    //! that takes too long.
    std::optional<Clock::duration> timeToVerdict();

    quint64 asked() const { return m_answers.size(); }
    quint64 verdicts() const { return m_verdicts; }
    quint64 threats() const { return m_threats; }
    //! NotScanned, by reason.
    const std::map<Reason, quint64> &notScanned() const { return m_notScanned; }
    quint64 notScanned(Reason reason) const;
    //! What was wrong with answers: a content answered twice, or against its Judge. The first few.
    const QStringList &complaints() const { return m_complaints; }
    //! "1200 contents, 1197 verdicts, 3 ScannerUnavailable (the last: ...)": for people.
    QString summary() const;

private:
    void onAnswer(quint64 index, const ScanResult &result);
    void askWhatIsMissing();
    void complain(quint64 index, const QString &about);

    SecurityTap &m_tap;
    const Contents m_contents;
    const Judge m_judge;
    std::chrono::milliseconds m_rest{0};
    int m_inFlight = 0;
    int m_open = 0;
    int m_resting = 0;
    std::vector<quint8> m_answers; // how many, by index
    quint64 m_verdicts = 0;
    quint64 m_threats = 0;
    quint64 m_watched = 0; // an index: who is answered from there on
    bool m_isWatchedSeen = false;
    std::map<Reason, quint64> m_notScanned;
    std::map<Reason, QString> m_lastDetail;
    QStringList m_complaints;
    QObject m_context; // the last: answers end with it
};

} // namespace Sentinel::Test
