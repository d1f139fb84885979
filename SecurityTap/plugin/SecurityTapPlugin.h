// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/SecurityTap.h"
#include "SecurityTap/inspection/TapSettings.h"
#include "SecurityTap/plugin/RequestServerPlugin.h"

#include <QObject>

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief Reads settings by name, as a request server has them, into TapSettings.
//!
//! | key                  | type         | meaning                                               |
//! |----------------------|--------------|-------------------------------------------------------|
//! | rules                | list of text | rule files and directories                            |
//! | skipBadRuleFiles     | bool         | use the good rule files when others do not compile    |
//! | failClosed           | bool         | block whatever could not be scanned                   |
//! | failClosedReasons    | list of text | block under these Reasons ("QueueFull", "TimedOut")   |
//! | blockSuspicious      | bool         | false: release what is suspicious, visibly            |
//! | malicious            | text         | "quarantine", "block" or "warn"                       |
//! | suspicious           | text         | the same, or "release"                                |
//! | policyClauses        | list of text | what goes before all that (PolicyClause)              |
//! | holdMs               | milliseconds | how long to wait for a free slot, up to ten minutes   |
//! | maxScanBytes         | bytes        | above it: not scanned (TooLarge)                      |
//! | workers              | 1..256       | the most scan workers at once                         |
//! | queueRequests        | 1..1000000   | the most requests that wait                           |
//! | queueBytes           | bytes        | the most bytes of all requests without an answer      |
//! | timeoutLeastMs       | milliseconds | of a small scan; 1 ms to a day                        |
//! | timeoutMostMs        | milliseconds | of a scan of maxScanBytes; not below timeoutLeastMs   |
//! | cache                | bool         | remember verdicts                                     |
//! | cacheEntries         | 1..10000000  | the most verdicts remembered                          |
//! | cacheTimeToLiveMs    | milliseconds | how long a verdict is remembered                      |
//! | isolation            | text         | "in-process", "spawned", "system" or "auto"           |
//! | sentinelProgram      | text         | the program of a sentinel that is spawned             |
//! | sentinelSettings     | text         | a file of settings for one that is started            |
//! | sentinelSocket       | text         | where a sentinel listens that runs already            |
//! | spoolDirectory       | text         | an existing directory, for downloads without their own |
//! | maxSpoolBytes        | bytes        | the largest download kept                             |
//! | maxSpoolMemoryBytes  | bytes        | the most memory of all downloads together             |
//!
//! Numbers are whole numbers; a list of one text may be given as that text. Without a key, its
//! default holds (TapSettings). An unknown key or a value of another type or out of bounds is an
//! error that names the key, for people.
SECURITYTAP_EXPORT std::expected<TapSettings, QString> tapSettings(const QVariantMap &settings);

//! \brief The plugin: a SecurityTap behind the interface that request servers know.
//!
//! In process it is made from TapSettings and ready if tap() is not null; loaded by QPluginLoader
//! it is made empty and readied by start().
//!
//! Without a tap nobody can look at a body. What becomes of it is what the policy says of
//! ScannerUnavailable: refused, or passed through (the default), each with a warning. All are
//! refused if the settings could not be read, as then the policy is not known, and while the plugin
//! is being destroyed.
//!
//! Owner:  the embedder, or the QPluginLoader.
//! Thread: owner. start() and the constructors block for the time of compiling the rules.
class SECURITYTAP_EXPORT SecurityTapPlugin : public QObject, public RequestServerPlugin {
    Q_OBJECT
    Q_INTERFACES(Sentinel::RequestServerPlugin)

public:
    //! Not ready: start() must follow.
    explicit SecurityTapPlugin(QObject *parent = nullptr);
    //! Ready, unless the rules do not compile: then tap() is null and errorString() says why.
    explicit SecurityTapPlugin(TapSettings settings, QObject *parent = nullptr);
    //! Ends as ~SecurityTap() does: every inspection under way is decided and announced.
    ~SecurityTapPlugin() override;

    //! See tapSettings(). Fails if it was started before.
    std::expected<void, QString> start(const QVariantMap &settings) override;
    std::expected<Inspection *, QString> intercept(Download download) override;
    void connectionClosed(ConnectionId connection) override;
    TelemetrySnapshot telemetry() const override;

    //! Null before a start() that succeeded.
    SecurityTap *tap() const { return m_tap.get(); }
    //! Why the last start failed; one line for each problem.
    const QString &errorString() const { return m_errorString; }

private:
    std::expected<void, QString> startWith(TapSettings settings);

    std::unique_ptr<SecurityTap> m_tap;
    std::optional<Policy> m_withoutTap; // of bodies that nobody can look at; nothing: refuse them
    QString m_errorString;
};

} // namespace Sentinel
