// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/ExitCode.h"
#include "Sentinel/FileScanner.h"
#include "Sentinel/Output.h"

#include <chrono>

namespace Sentinel {

//! \brief Tells what a scan finds, file by file, and sums it up.
//!
//! Owner:  its command.
//! Thread: owner.
class ScanReport {
public:
    enum class Format : quint8 {
        Lines, //!< a line for each file that is not clean
        JsonLines, //!< an object for each file
    };

    ScanReport(Output &output, Format format);
    Q_DISABLE_COPY_MOVE(ScanReport)

    void add(const FileVerdict &verdict);
    //! \p path could not even be begun with.
    void addUnreadable(const QByteArray &path, const QString &why);
    //! Draws how far it is, if somebody can see it.
    void showProgress();
    void summarise();
    ExitCode exitCode() const;

private:
    QString summary() const;

    Output &m_output;
    const Format m_format;
    const std::chrono::steady_clock::time_point m_begin = std::chrono::steady_clock::now();
    qint64 m_files = 0;
    qint64 m_bytes = 0;
    qint64 m_threats = 0;
    qint64 m_notScanned = 0;
};

} // namespace Sentinel
