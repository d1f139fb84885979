// SPDX-License-Identifier: MIT
#include "Sentinel/BackendStart.h"

#include "SecurityTap/archive/ArchiveEngine.h"
#include "SecurityTap/backend/LocalBackend.h"
#include "SecurityTap/backend/SentinelBackend.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "Sentinel/RuleLoading.h"

#include <QEventLoop>

#include <limits>

namespace Sentinel {

namespace {

//! A scan is not to give way to another: with files, only the sum of them counts.
constexpr std::chrono::hours wholeScan{24};
constexpr std::chrono::milliseconds stopPatience{200};

std::unique_ptr<ScanBackend> startHere(const ProgramSettings &values, const ScanTimeouts &timeouts,
    int maxRequests, bool hashContent, Output &output)
{
    auto ruleSet = loadRules(values.rulePaths, values.ruleOptions(), output);
    if (!ruleSet)
        return nullptr;
    LocalBackend::Settings settings;
    settings.queue.maxRequests = maxRequests;
    settings.queue.maxBytes = std::numeric_limits<qint64>::max();
    settings.workers.maxWorkers = values.scanning.workers.maxWorkers;
    settings.workers.minWorkers = settings.workers.maxWorkers;
    settings.workers.slice = wholeScan;
    settings.workers.stopPatience = stopPatience;
    settings.cache.enabled = false;
    settings.maxScanBytes = values.scanning.maxScanBytes;
    settings.hashContent = hashContent;
    settings.timeouts = timeouts;
    auto engine = std::make_shared<ArchiveEngine>(
        std::make_shared<YaraEngine>(std::move(ruleSet)), values.archives);
    auto backend = std::make_unique<LocalBackend>(std::move(engine), settings);
    backend->start();
    return backend;
}

std::unique_ptr<ScanBackend> startElsewhere(
    const SettingsInForce &inForce, const ScanTimeouts &timeouts, bool hashContent, Output &output)
{
    SentinelSettings settings = sentinelSettings(inForce);
    settings.timeouts = timeouts;
    settings.wantsSha256 = hashContent;
    auto backend = std::make_unique<SentinelBackend>(inForce.values().isolation, settings);
    QString failure;
    QEventLoop loop;
    QObject::connect(backend.get(), &SentinelBackend::stateChanged, &loop,
        [&](ScannerState state, const QString &text) {
            if (state == ScannerState::Connecting)
                return;
            if (state != ScannerState::Open)
                failure = text;
            loop.quit();
        });
    backend->start();
    loop.exec();
    if (failure.isEmpty())
        return backend;
    output.message(printable(failure));
    return nullptr;
}

} // namespace

SentinelSettings sentinelSettings(const SettingsInForce &settings)
{
    const ProgramSettings &values = settings.values();
    SentinelSettings sentinel;
    sentinel.program = QStringLiteral("/proc/self/exe"); // this one, also once its file is replaced
    sentinel.settingsFile = settings.filePath();
    sentinel.socketPath = values.socketPath;
    sentinel.rulePaths = values.rulePaths;
    sentinel.rules = values.ruleOptions();
    sentinel.archives = values.archives;
    sentinel.jobs = values.scanning.workers.maxWorkers;
    sentinel.maxScanBytes = values.scanning.maxScanBytes;
    return sentinel;
}

std::unique_ptr<ScanBackend> startBackend(const SettingsInForce &settings,
    const ScanTimeouts &timeouts, int maxRequests, bool hashContent, Output &output)
{
    return settings.values().isolation == Isolation::InProcess
        ? startHere(settings.values(), timeouts, maxRequests, hashContent, output)
        : startElsewhere(settings, timeouts, hashContent, output);
}

} // namespace Sentinel
