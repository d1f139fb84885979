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

//! The bytes come a little slower than they are scanned, as from any network: the next piece when
//! the scan has caught up.
double lastByteToVerdictMs(SecurityTap &tap, const QByteArray &bytes)
{
    constexpr qsizetype piece = Limits::mib;
    Download download;
    download.metadata.sizeBytes = bytes.size();
    const std::unique_ptr<Inspection> inspection(tap.inspect(download));
    for (qsizetype at = 0; at < bytes.size(); at += piece) {
        inspection->write(QByteArrayView(bytes).sliced(at, std::min(piece, bytes.size() - at)));
        if (at > 0)
            waitUntilIdle(tap);
    }
    const auto start = Clock::now();
    inspection->finish();
    runUntil([&] { return inspection->outcome().has_value(); });
    if (inspection->outcome()->result.verdict() != Verdict::Clean)
        qFatal("not clean: %s", qPrintable(describe(inspection->outcome()->result)));
    return Microseconds(Clock::now() - start).count() / 1000;
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
            streamed.push_back(lastByteToVerdictMs(*tap, bytes));
        }
    }
    state.counters["whole_ms"] = percentile(whole, 0.5);
    state.counters["last_byte_ms"] = percentile(streamed, 0.5);
    state.counters["ratio_percent"] = 100 * percentile(streamed, 0.5) / percentile(whole, 0.5);
}

} // namespace

BENCHMARK(lastByteToVerdict)->Iterations(1)->Unit(benchmark::kMillisecond);
