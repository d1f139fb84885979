// SPDX-License-Identifier: MIT
//
// What a scan of 10 KB costs in a process of its own, against the same in this one.
#include "benchmarks/Support.h"

#include "SecurityTap/content/Spool.h"
#include "SecurityTap/engine/YaraEngine.h"
#include "Sentinel/worker/WorkerParent.h"

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

constexpr int scanRounds = 1000;

double hereUs(const Spool &spool)
{
    const auto start = Clock::now();
    const auto task = YaraEngine::begin(rules(), {}, spool.content());
    while (task->step({}) != ScanTask::Progress::Done) { }
    if (task->takeResult().verdict() != Verdict::Clean)
        qFatal("not clean");
    return Microseconds(Clock::now() - start).count();
}

double thereUs(ScanWorker &worker, const Spool &spool)
{
    const auto start = Clock::now();
    WorkerRequest request;
    request.kind = WorkerRequest::Kind::Begin;
    request.mappedBytes = spool.sizeBytes();
    request.sizeBytes = spool.sizeBytes();
    request.isComplete = true;
    request.slice = Limits::sliceDuration;
    auto answer = worker.ask(request, spool.descriptor());
    request.kind = WorkerRequest::Kind::Continue;
    while (answer && answer->progress != ScanTask::Progress::Done)
        answer = worker.ask(request);
    if (!answer || answer->result->verdict() != Verdict::Clean)
        qFatal("not clean");
    return Microseconds(Clock::now() - start).count();
}

void scanInWorkerProcess(benchmark::State &state)
{
    const QByteArray bytes = noise(10'000);
    SpoolOptions options;
    options.maxBytes = Limits::mib;
    options.maxMappedBytes = Limits::mib;
    const auto spool = Spool::create(options);
    if (!spool || !(*spool)->append({bytes.constData(), size_t(bytes.size())}) || !(*spool)->seal())
        qFatal("no spool");
    const auto parent =
        WorkerParent::start(SENTINEL_BINARY, {{rulesPath()}, {.badFiles = BadRuleFiles::Skip}});
    const auto worker = parent ? (*parent)->makeWorker() : std::unexpected(QString());
    if (!worker)
        qFatal("no worker");
    std::vector<double> here;
    std::vector<double> there;
    std::vector<double> starts;
    for (auto _ : state) {
        for (int round = 0; round < scanRounds; ++round) {
            here.push_back(hereUs(**spool));
            there.push_back(thereUs(**worker, **spool));
        }
        for (int round = 0; round < 100; ++round) {
            const auto start = Clock::now();
            const auto another = (*parent)->makeWorker();
            starts.push_back(Microseconds(Clock::now() - start).count());
        }
    }
    state.counters["here_p50_us"] = percentile(here, 0.5);
    state.counters["there_p50_us"] = percentile(there, 0.5);
    state.counters["more_p50_us"] = percentile(there, 0.5) - percentile(here, 0.5);
    state.counters["start_p50_us"] = percentile(starts, 0.5);
}

} // namespace

BENCHMARK(scanInWorkerProcess)->Iterations(1)->Unit(benchmark::kMillisecond);
