// SPDX-License-Identifier: MIT
//
// What it costs to have downloads scanned by a sentinel instead of in this process.
#include "benchmarks/Support.h"

#include <thread>

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

// In turns, so that both meet the same machine; each long enough to find its own data in the
// processor's caches, as a browser's one way does.
constexpr int turns = 20;
constexpr int scansInTurn = 50;

//! From the call to the callback.
double scanUs(SecurityTap &tap, const QByteArray &bytes)
{
    std::optional<Verdict> verdict;
    const auto start = Clock::now();
    tap.asyncInspectDownload(DownloadMetadata{}, bytes, &tap,
        [&verdict](const Outcome &outcome) { verdict = outcome.result.verdict(); });
    runUntil([&verdict] { return verdict.has_value(); });
    if (verdict != Verdict::Clean)
        qFatal("not clean");
    return Microseconds(Clock::now() - start).count();
}

void smallScanBySentinel(benchmark::State &state)
{
    // With the same settings as a sentinel: both remember verdicts, and hash contents for that.
    TapSettings settings;
    settings.custody.reset(); // nothing is kept, as there
    const auto here = std::make_unique<SecurityTap>(std::move(settings), rules());
    const auto there = makeSpawnedTap();
    std::vector<double> hereUs;
    std::vector<double> thereUs;
    quint32 seed = 1;
    for (auto _ : state) {
        for (int turn = 0; turn < turns; ++turn) {
            for (int scan = 0; scan < scansInTurn; ++scan) // of what is not known yet
                hereUs.push_back(scanUs(*here, noise(10'000, ++seed)));
            for (int scan = 0; scan < scansInTurn; ++scan)
                thereUs.push_back(scanUs(*there, noise(10'000, ++seed)));
        }
    }
    state.counters["here_p50_us"] = percentile(hereUs, 0.5);
    state.counters["there_p50_us"] = percentile(thereUs, 0.5);
    state.counters["more_p50_us"] = percentile(thereUs, 0.5) - percentile(hereUs, 0.5);
    state.counters["there_p99_us"] = percentile(thereUs, 0.99);
}

void lastByteToVerdictBySentinel(benchmark::State &state)
{
    const auto tap = makeSpawnedTap();
    std::vector<double> whole;
    std::vector<double> streamed;
    quint32 seed = 1;
    for (auto _ : state) {
        for (int round = 0; round < 5; ++round) {
            whole.push_back(scanUs(*tap, noise(100'000'000, ++seed)) / 1000);
            const std::chrono::milliseconds pace(1 + int(1.5 * whole.back() / 95));
            streamed.push_back(lastByteToVerdictMs(
                *tap, noise(100'000'000, ++seed), [pace] { std::this_thread::sleep_for(pace); }));
        }
    }
    state.counters["whole_ms"] = percentile(whole, 0.5);
    state.counters["last_byte_ms"] = percentile(streamed, 0.5);
    state.counters["ratio_percent"] = 100 * percentile(streamed, 0.5) / percentile(whole, 0.5);
}

} // namespace

BENCHMARK(smallScanBySentinel)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(lastByteToVerdictBySentinel)->Iterations(1)->Unit(benchmark::kMillisecond);
