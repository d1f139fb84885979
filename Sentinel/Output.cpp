// SPDX-License-Identifier: MIT
#include "Sentinel/Output.h"

#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr std::chrono::milliseconds drawInterval{100};
constexpr int usualColumns = 80;

int terminalColumns()
{
    winsize size{};
    const bool isKnown = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return isKnown ? size.ws_col : usualColumns;
}

void write(FILE *stream, const QByteArray &line)
{
    std::fwrite(line.constData(), 1, size_t(line.size()), stream);
}

} // namespace

Output::Output() : m_isTerminal(::isatty(STDERR_FILENO) == 1) { }

Output::~Output()
{
    eraseProgress();
}

void Output::result(const QByteArray &line)
{
    eraseProgress();
    write(stdout, line + '\n');
}

void Output::message(const QString &line)
{
    eraseProgress();
    std::fflush(stdout); // where both go to one place, in this order
    write(stderr, line.toUtf8() + '\n');
}

bool Output::wantsProgress() const
{
    return m_isTerminal && Clock::now() >= m_nextDraw;
}

void Output::progress(const QString &line)
{
    if (!m_isTerminal)
        return;
    // A line that wraps could not be erased.
    write(stderr, "\r\x1b[K" + line.left(terminalColumns() - 1).toUtf8());
    std::fflush(stderr);
    m_isDrawn = true;
    m_nextDraw = Clock::now() + drawInterval;
}

void Output::eraseProgress()
{
    if (!m_isDrawn)
        return;
    write(stderr, "\r\x1b[K");
    std::fflush(stderr);
    m_isDrawn = false;
}

bool Output::flush()
{
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

} // namespace Sentinel
