// SPDX-License-Identifier: MIT
#include "benchmarks/Support.h"

#include <QDir>
#include <QRandomGenerator>

#include <algorithm>
#include <cmath>

namespace Sentinel::Bench {

QString rulesPath()
{
    const QString named = qEnvironmentVariable("SENTINEL_RULESETS");
    for (const QString &path : {named, QStringLiteral("../shared/rulesets")}) {
        if (!path.isEmpty() && QDir(path).exists())
            return path;
    }
    return defaultRulesDirectory();
}

std::shared_ptr<const RuleSet> rules()
{
    static const std::shared_ptr<const RuleSet> compiled = [] {
        auto result = compileRules({rulesPath()}, {.badFiles = BadRuleFiles::Skip});
        if (!result)
            qFatal("no rules in %s", qPrintable(rulesPath()));
        return result->ruleSet;
    }();
    return compiled;
}

QString rulesDescription()
{
    return QStringLiteral("%1 of %2").arg(rules()->ruleCount()).arg(rulesPath());
}

std::unique_ptr<SecurityTap> makeTap(TapSettings settings)
{
    settings.scanning.cache.enabled = false;
    return std::make_unique<SecurityTap>(std::move(settings), rules());
}

std::unique_ptr<SecurityTap> makeSpawnedTap()
{
    TapSettings settings;
    settings.isolation = Isolation::Spawned;
    settings.sentinel.program = QStringLiteral(SENTINEL_BINARY);
    settings.rulePaths = QStringList{rulesPath()};
    settings.rules.badFiles = BadRuleFiles::Skip;
    settings.custody.reset(); // nothing is kept of what is measured
    auto tap = SecurityTap::create(std::move(settings));
    if (!tap)
        qFatal("no tap");
    runUntil([&] { return (*tap)->rules().rules > 0; });
    return std::move(*tap);
}

QByteArray noise(qint64 size, quint32 seed)
{
    QByteArray bytes((size + 3) / 4 * 4, Qt::Uninitialized);
    QRandomGenerator random(seed);
    random.fillRange(reinterpret_cast<quint32 *>(bytes.data()), bytes.size() / 4);
    bytes.truncate(size);
    bytes.replace(0, 2, "MZ");
    return bytes;
}

double lastByteToVerdictMs(
    SecurityTap &tap, const QByteArray &bytes, const std::function<void()> &pause)
{
    constexpr qsizetype piece = Limits::mib;
    Download download;
    download.metadata.sizeBytes = bytes.size();
    const std::unique_ptr<Inspection> inspection(tap.inspect(download));
    for (qsizetype at = 0; at < bytes.size(); at += piece) {
        inspection->write(QByteArrayView(bytes).sliced(at, std::min(piece, bytes.size() - at)));
        pause();
    }
    const auto start = Clock::now();
    inspection->finish();
    runUntil([&] { return inspection->outcome().has_value(); });
    if (inspection->outcome()->result.verdict() != Verdict::Clean)
        qFatal("not clean: %s", qPrintable(describe(inspection->outcome()->result)));
    return Microseconds(Clock::now() - start).count() / 1000;
}

double percentile(std::vector<double> samples, double share)
{
    std::ranges::sort(samples);
    const auto rank = size_t(std::ceil(share * double(samples.size())));
    return samples.at(std::clamp<size_t>(rank, 1, samples.size()) - 1);
}

void report(benchmark::State &state, const std::vector<double> &samples)
{
    state.counters["p50_us"] = percentile(samples, 0.50);
    state.counters["p99_us"] = percentile(samples, 0.99);
    state.counters["max_us"] = percentile(samples, 1.0);
}

} // namespace Sentinel::Bench
