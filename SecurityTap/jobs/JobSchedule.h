// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/jobs/JobRuns.h"

#include <QObject>
#include <QTimer>

#include <functional>
#include <memory>
#include <vector>

namespace Sentinel {

class SerialThread;

//! \brief Something to be done again and again.
struct Job {
    QString name; //!< one of its own for all processes: "purge quarantine"
    std::chrono::milliseconds interval;
    //! Runs on a thread for jobs and may block; a result that throws is a failure. To be done again
    //! when its process is killed meanwhile, it must not mind being done twice.
    std::function<JobResult()> run;
};

//! \brief Runs periodic jobs: each once in its interval, in one of all the processes of a user.
//!
//! One after the other. A job that fails is tried again after a pause that doubles, up to its
//! interval; where it stands is in the file (JobRuns::readAll()). What was missed is done once; a
//! clock that was set back makes nothing run twice in a row, nor never again.
//!
//! Owner:  whoever has jobs to do.
//! Thread: owner (asserted); jobs run on a thread of its own.
//! Blocks: stop() and the destructor, for the job that runs, up to Limits::stopPatience.
class SECURITYTAP_EXPORT JobSchedule final : public QObject {
    Q_OBJECT

public:
    struct Settings {
        std::chrono::milliseconds startDelay = Limits::jobStartDelay;
        std::chrono::milliseconds look = Limits::jobLook; //!< as a machine that sleeps stops timers
        std::chrono::milliseconds leastRetry = Limits::leastJobRetry;
        JobRuns::Now now = &QDateTime::currentDateTimeUtc; //!< the time of day
    };

    //! \p path is the file's (<state>/history.sqlite).
    JobSchedule(
        const QString &path, std::vector<Job> jobs, Settings settings, QObject *parent = nullptr);
    //! Stops.
    ~JobSchedule() override;

    //! Begins, after Settings::startDelay.
    void start();
    //! No job begins any more. False if the one that runs has not ended within \p patience: its
    //! thread is left behind until it does.
    bool stop(std::chrono::milliseconds patience = Limits::stopPatience);
    //! Looks now what is due.
    void look();

Q_SIGNALS:
    //! A job has run, here.
    void ran(const Sentinel::JobRun &run);
    //! All jobs were looked at, and what was due has run.
    void looked();
    //! A sentence for people: when a job runs cannot be written down, and so none does.
    void trouble(const QString &text);

private:
    struct Work;

    const std::shared_ptr<Work> m_work;
    const std::unique_ptr<SerialThread> m_thread;
    const Settings m_settings;
    QTimer m_timer;
};

} // namespace Sentinel

Q_DECLARE_METATYPE(Sentinel::JobRun)
