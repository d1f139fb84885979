// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/Limits.h"
#include "SecurityTap/SecurityTapExport.h"

#include <QDateTime>
#include <QString>

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace Sentinel {

class StateDatabase;

//! \brief What a job came to: a sentence for people.
using JobResult = std::expected<QString, QString>;

//! \brief A periodic job, as the file remembers it.
struct JobRun {
    QString name;
    QDateTime ranAt; //!< UTC, when the last run began; invalid before the first
    std::chrono::milliseconds took{0};
    bool hasSucceeded = false;
    QString result; //!< what it said, or what went wrong
    QDateTime dueAt; //!< UTC; invalid: at once
    bool isRunning = false; //!< a process is at it
    int failures = 0; //!< since the last success
    qint64 runs = 0;
};

//! \brief When each periodic job has run, and whose turn it is: one file for all processes of a
//! user.
//!
//! A job that is due is claimed, in a transaction, by one process; that it has ended makes it due
//! again after its interval, so that what was missed (the machine slept) is done once. A claim ends
//! with its process, too. Errors are sentences for people.
//!
//! Owner:  anybody; one object a thread.
//! Thread: the one that uses it first (asserted), destruction too.
//! Blocks: for the disk; for other processes up to Limits::historyBusyTimeout.
class SECURITYTAP_EXPORT JobRuns {
public:
    using Now = std::function<QDateTime()>;

    struct Claim {
        QString name;
        QString token;
        QDateTime beganAt;
        int failures = 0;
    };

    explicit JobRuns(const QString &path, Now now = &QDateTime::currentDateTimeUtc);
    ~JobRuns();
    Q_DISABLE_COPY_MOVE(JobRuns)

    //! The job \p name, if it is due and nobody is at it.
    std::expected<std::optional<Claim>, QString> claim(
        const QString &name, std::chrono::milliseconds interval);
    //! It was done; it is due again after \p pause. False if the claim had ended.
    std::expected<bool, QString> finish(const Claim &claim, const JobResult &result,
        std::chrono::milliseconds took, std::chrono::milliseconds pause);
    std::expected<std::vector<JobRun>, QString> all();

    //! All jobs in the file at \p path, which is not changed; none if there is no file.
    static std::expected<std::vector<JobRun>, QString> readAll(const QString &path);

private:
    const std::unique_ptr<StateDatabase> m_database;
    const Now m_now;
};

} // namespace Sentinel
