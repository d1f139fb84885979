// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/Limits.h"
#include "ipc/FileDescriptor.h"

#include <QObject>
#include <QSet>
#include <QSocketNotifier>
#include <QStringList>
#include <QTimer>

#include <map>
#include <memory>

namespace Sentinel {

//! \brief Tells when rule files have changed, once they have come to rest.
//!
//! The paths are those of compileRules(): directories with all *.yar and *.yara below, and single
//! files. A change is one of these files' names, sizes, times or inodes; what else happens beside
//! them does not count. All the way to each path is watched, so that a directory or a link on it
//! may be replaced, removed, and made again. What a rule file includes counts only where it is a
//! rule file below one of the directories.
//!
//! Owner:  whoever reloads.
//! Thread: owner (with an event loop).
//! Limits: one descriptor; maxRuleDirectories, maxRuleFiles: what is beyond does not count.
class RuleWatch final : public QObject {
    Q_OBJECT

public:
    struct Times {
        std::chrono::milliseconds quiet = Limits::ruleQuietTime;
        std::chrono::milliseconds longest = Limits::maxRuleUnrest; //!< of unrest: then it is told
    };
    //! Watches \p paths. What is there now is no change.
    explicit RuleWatch(QStringList paths) : RuleWatch(std::move(paths), Times()) { }
    RuleWatch(QStringList paths, Times times);
    ~RuleWatch() override;

    //! What cannot be watched, for people; empty if all is.
    const QString &trouble() const { return m_trouble; }

Q_SIGNALS:
    void changed();

private:
    class Survey;

    //! A directory under watch.
    struct Place {
        bool isOfRules = false; //!< all that happens there counts
        QSet<QByteArray> names; //!< else: what is of these names
    };

    void readEvents();
    void look();

    const QStringList m_paths;
    const Times m_times;
    const FileDescriptor m_events; // inotify
    std::unique_ptr<QSocketNotifier> m_notifier;
    std::map<int, Place> m_places; // by inotify's number
    QByteArray m_fingerprint;
    QString m_trouble;
    QTimer m_quiet; // from the last event
    QTimer m_unrest; // from the first
};

} // namespace Sentinel
