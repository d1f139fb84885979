// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/DesktopMetadata.h"
#include "SecurityTap/network/TapAccessManager.h"
#include "SecurityTap/network/TapReply.h"
#include "Sentinel/ExitCode.h"
#include "Sentinel/FetchTarget.h"
#include "Sentinel/Output.h"

#include <QObject>
#include <QUrl>

namespace Sentinel {

//! \brief One download through the tap: withheld until its verdict, then put into place or not.
//!
//! Owner:  its command.
//! Thread: owner.
class Fetch final : public QObject {
    Q_OBJECT

public:
    //! How it ended.
    struct Report {
        ExitCode code = exitTrouble;
        QUrl url; //!< after redirects
        QString message; //!< for people
        QString path; //!< where the file is; empty if it was not put into place
        std::optional<Outcome> outcome; //!< none: there was no body to inspect
        bool hasFailed = false; //!< network or storage: message says what
    };

    //! \p plugin and \p output outlive this.
    Fetch(
        RequestServerPlugin &plugin, Output &output, FetchTarget target, Download::Privacy privacy);

    void start(const QUrl &url);
    void cancel();

Q_SIGNALS:
    void ended(const Sentinel::Fetch::Report &report);

private:
    void showProgress(qint64 received, qint64 total);
    void conclude();
    Report report();
    Report release(Report report);

    Output &m_output;
    const FetchTarget m_target;
    const Download::Privacy m_privacy;
    DesktopMetadata m_desktop;
    TapAccessManager m_manager;
    TapReply *m_reply = nullptr; // the manager's child
    bool m_isCancelled = false;
};

} // namespace Sentinel
