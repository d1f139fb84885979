// SPDX-License-Identifier: MIT
//
// How long the request loop is held by handing a download over: finish() of one that was streamed,
// and the call with a QByteArray.
#include "benchmarks/Support.h"

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

//! Rounds that are not counted: the workers start in them.
constexpr int warmUp = 5;

int rounds(qint64 size)
{
    return size >= 100'000'000 ? 100 : 200;
}

void handOverStreamed(benchmark::State &state)
{
    const QByteArray bytes = noise(state.range(0));
    const auto tap = makeTap();
    std::vector<double> finish;
    std::vector<double> writes;
    for (auto _ : state) {
        for (int round = -warmUp; round < rounds(state.range(0)); ++round) {
            Download download;
            download.metadata.sizeBytes = bytes.size();
            Inspection *inspection = tap->inspect(download);
            for (qsizetype at = 0; at < bytes.size(); at += 64 * 1024) {
                const auto piece = QByteArrayView(bytes).sliced(
                    at, std::min<qsizetype>(64 * 1024, bytes.size() - at));
                const auto start = Clock::now();
                inspection->write(piece);
                writes.push_back(Microseconds(Clock::now() - start).count());
            }
            const auto start = Clock::now();
            inspection->finish();
            if (round >= 0)
                finish.push_back(Microseconds(Clock::now() - start).count());
            runUntil([&] { return inspection->outcome().has_value(); });
            delete inspection;
        }
    }
    report(state, finish);
    state.counters["write64K_p99_us"] = percentile(writes, 0.99);
}

void handOverByteArray(benchmark::State &state)
{
    const QByteArray bytes = noise(state.range(0));
    const auto tap = makeTap();
    std::vector<double> samples;
    QObject context;
    for (auto _ : state) {
        for (int round = -warmUp; round < rounds(state.range(0)); ++round) {
            bool answered = false;
            const auto start = Clock::now();
            tap->asyncInspectDownload(
                DownloadMetadata{}, bytes, &context, [&](const Outcome &) { answered = true; });
            if (round >= 0)
                samples.push_back(Microseconds(Clock::now() - start).count());
            runUntil([&] { return answered; });
        }
    }
    report(state, samples);
}

} // namespace

BENCHMARK(handOverStreamed)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Arg(100'000'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(handOverByteArray)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Arg(100'000'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
