// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QString>

#include <chrono>

namespace Sentinel {

//! \brief What a command writes: results to standard output, messages for people to standard error,
//! and on a terminal a line that shows how far it has come.
//!
//! Everything given to it has been made printable before.
//!
//! Owner:  the command.
//! Thread: owner.
class Output {
public:
    Output();
    //! Erases the progress line.
    ~Output();
    Q_DISABLE_COPY_MOVE(Output)

    void result(const QByteArray &line);
    void result(const QString &line) { result(line.toUtf8()); }
    void message(const QString &line);

    //! True if somebody could see progress.
    bool showsProgress() const { return m_isTerminal; }
    //! True if progress was not drawn so lately that drawing it again would only cost time.
    bool wantsProgress() const;
    void progress(const QString &line);
    void eraseProgress();

    //! False if results were lost: the disk is full, or nobody reads.
    bool flush();

private:
    using Clock = std::chrono::steady_clock;

    const bool m_isTerminal;
    bool m_isDrawn = false;
    Clock::time_point m_nextDraw;
};

} // namespace Sentinel
