// SPDX-License-Identifier: MIT
//
// From the last byte of a streamed 100 MB download to its verdict, against scanning it whole.
#include "benchmarks/Support.h"

#include <QThread>

#include <yara.h>

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

double wholeScanMs(const QByteArray &bytes)
{
    const auto scanner = RuleSet::lendScanner(rules());
    yr_scanner_set_callback(
        scanner.get(),
        [](YR_SCAN_CONTEXT *, int, void *, void *) { return int(CALLBACK_CONTINUE); }, nullptr);
    yr_scanner_set_flags(scanner.get(), SCAN_FLAGS_NO_TRYCATCH);
    const auto start = Clock::now();
    yr_scanner_scan_mem(
        scanner.get(), reinterpret_cast<const uint8_t *>(bytes.constData()), size_t(bytes.size()));
    return Microseconds(Clock::now() - start).count() / 1000;
}

//! Until no worker is in a slice: the scan has seen every whole window that is there.
void waitUntilIdle(const SecurityTap &tap)
{
    while (tap.telemetry().activeWorkers > 0)
        QThread::yieldCurrentThread();
}

void lastByteToVerdict(benchmark::State &state)
{
    const QByteArray bytes = noise(100'000'000);
    const auto tap = makeTap();
    std::vector<double> whole;
    std::vector<double> streamed;
    for (auto _ : state) {
        for (int round = 0; round < 7; ++round) {
            whole.push_back(wholeScanMs(bytes));
            streamed.push_back(lastByteToVerdictMs(*tap, bytes, [&] { waitUntilIdle(*tap); }));
        }
    }
    state.counters["whole_ms"] = percentile(whole, 0.5);
    state.counters["last_byte_ms"] = percentile(streamed, 0.5);
    state.counters["ratio_percent"] = 100 * percentile(streamed, 0.5) / percentile(whole, 0.5);
}

} // namespace

BENCHMARK(lastByteToVerdict)->Iterations(1)->Unit(benchmark::kMillisecond);
