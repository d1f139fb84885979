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

std::unique_ptr<ScanBackend> startHere(const ScanArguments &arguments, const ScanTimeouts &timeouts,
    int maxRequests, bool hashContent, Output &output)
{
    auto ruleSet = loadRules(arguments.rulePaths, arguments.rules, output);
    if (!ruleSet)
        return nullptr;
    LocalBackend::Settings settings;
    settings.queue.maxRequests = maxRequests;
    settings.queue.maxBytes = std::numeric_limits<qint64>::max();
    settings.workers.minWorkers = arguments.jobs;
    settings.workers.maxWorkers = arguments.jobs;
    settings.workers.slice = wholeScan;
    settings.workers.stopPatience = stopPatience;
    settings.cache.enabled = false;
    settings.maxScanBytes = arguments.maxBytes;
    settings.hashContent = hashContent;
    settings.timeouts = timeouts;
    auto engine = std::make_shared<ArchiveEngine>(
        std::make_shared<YaraEngine>(std::move(ruleSet)), arguments.archives);
    auto backend = std::make_unique<LocalBackend>(std::move(engine), settings);
    backend->start();
    return backend;
}

std::unique_ptr<ScanBackend> startElsewhere(
    const ScanArguments &arguments, const ScanTimeouts &timeouts, bool hashContent, Output &output)
{
    SentinelSettings settings = sentinelSettings(arguments);
    settings.timeouts = timeouts;
    settings.wantsSha256 = hashContent;
    auto backend = std::make_unique<SentinelBackend>(arguments.isolation, settings);
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

SentinelSettings sentinelSettings(const ScanArguments &arguments)
{
    SentinelSettings settings;
    settings.program = QStringLiteral("/proc/self/exe"); // this one, also once its file is replaced
    settings.socketPath = arguments.socketPath;
    settings.rulePaths = arguments.rulePaths;
    settings.rules = arguments.rules;
    settings.archives = arguments.archives;
    settings.jobs = arguments.jobs;
    settings.maxScanBytes = arguments.maxBytes;
    return settings;
}

std::unique_ptr<ScanBackend> startBackend(const ScanArguments &arguments,
    const ScanTimeouts &timeouts, int maxRequests, bool hashContent, Output &output)
{
    return arguments.isolation == Isolation::InProcess
        ? startHere(arguments, timeouts, maxRequests, hashContent, output)
        : startElsewhere(arguments, timeouts, hashContent, output);
}

} // namespace Sentinel
