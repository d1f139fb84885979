// SPDX-License-Identifier: MIT
//
// A 10 KB download while four of 100 MB are being scanned, against one on an idle tap.
#include "benchmarks/Support.h"

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

double smallDownloadUs(SecurityTap &tap, const QByteArray &bytes)
{
    const auto start = Clock::now();
    const std::unique_ptr<Inspection> inspection(tap.inspect({}));
    inspection->write(bytes);
    inspection->finish();
    runUntil([&] { return inspection->outcome().has_value(); });
    return Microseconds(Clock::now() - start).count();
}

void smallBesideLarge(benchmark::State &state)
{
    const auto tap = makeTap();
    const QByteArray small = noise(10'000);
    const QByteArray large = noise(100'000'000);
    std::vector<double> idle;
    std::vector<double> busy;
    QObject context;
    for (auto _ : state) {
        smallDownloadUs(*tap, small); // the first one starts a worker
        for (int i = 0; i < 500; ++i)
            idle.push_back(smallDownloadUs(*tap, small));

        int running = 0;
        while (busy.size() < 500) {
            for (; running < 4; ++running)
                tap->asyncInspectDownload(
                    DownloadMetadata{}, large, &context, [&](const Outcome &) { --running; });
            runUntil([&] { return tap->telemetry().activeWorkers > 0; });
            busy.push_back(smallDownloadUs(*tap, small));
        }
        runUntil([&] { return running == 0; });
    }
    const double idleP99 = percentile(idle, 0.99);
    const double busyP99 = percentile(busy, 0.99);
    const double sliceUs = Microseconds(Limits::sliceDuration).count();
    state.counters["idle_p50_us"] = percentile(idle, 0.5);
    state.counters["idle_p99_us"] = idleP99;
    state.counters["busy_p50_us"] = percentile(busy, 0.5);
    state.counters["busy_p99_us"] = busyP99;
    state.counters["allowed_us"] = 3 * idleP99 + sliceUs;
}

} // namespace

BENCHMARK(smallBesideLarge)->Iterations(1)->Unit(benchmark::kMillisecond);
