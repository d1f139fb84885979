// SPDX-License-Identifier: MIT
//
// One request through the queue, with others waiting in it.
#include "SecurityTap/scan/ScanQueue.h"
#include "benchmarks/Support.h"

#include <limits>

using namespace Sentinel;

namespace {

constexpr ScanQueue::Bounds unbounded{1'000'000, std::numeric_limits<qint64>::max() / 2};

std::shared_ptr<ScanRequest> request(qint64 size)
{
    ScanSubject subject;
    subject.content = Content::fromByteArray({});
    subject.sizeBytes = size;
    return std::make_shared<ScanRequest>(std::move(subject), [](ScanResult) {});
}

void queueSubmitTakeRemove(benchmark::State &state)
{
    ScanQueue queue(unbounded);
    for (int i = 0; i < state.range(0); ++i) {
        if (queue.submit(request(i * Limits::mib)))
            qFatal("refused");
    }
    const auto deadline = Clock::now() + std::chrono::hours(1);
    for (auto _ : state) {
        if (queue.submit(request(0), deadline))
            qFatal("refused");
        const auto taken = queue.take(std::chrono::milliseconds(0));
        queue.remove(taken->id());
    }
}

void queueSliceTurn(benchmark::State &state)
{
    ScanQueue queue(unbounded);
    for (int i = 0; i < state.range(0); ++i) {
        if (queue.submit(request(i * Limits::mib)))
            qFatal("refused");
    }
    for (auto _ : state) {
        const auto taken = queue.take(std::chrono::milliseconds(0));
        queue.resume(taken->id());
    }
}

} // namespace

BENCHMARK(queueSubmitTakeRemove)->Arg(0)->Arg(100)->Arg(10'000);
BENCHMARK(queueSliceTurn)->Arg(4)->Arg(100);
