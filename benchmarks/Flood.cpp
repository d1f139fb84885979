// SPDX-License-Identifier: MIT
//
// A small download from one origin while another asks for 5,000 in ten seconds, against one while
// nobody else asks for anything.
#include "benchmarks/Support.h"

#include <QTimer>

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

constexpr int floodDownloads = 5'000;
constexpr std::chrono::milliseconds floodPause{2};
constexpr int betweenTwoSamples = 10; // of those pauses
constexpr qint64 contentBytes = 10'000;

enum class Flood : quint8 { None, Runs };

//! What became of the flood.
struct Fate {
    int answered = 0;
    int scanned = 0;
    int notScanned = 0;
};

Download downloadFrom(const QString &host)
{
    Download download;
    download.metadata.url = QUrl(QStringLiteral("https://%1.example/file").arg(host));
    return download;
}

//! What the other's downloads take, from their first byte to the outcome.
std::vector<double> othersUs(SecurityTap &tap, Flood flood, quint32 &seed, Fate &fate)
{
    std::vector<double> samples;
    QObject context;
    QTimer sender;
    sender.setTimerType(Qt::PreciseTimer);
    int sent = 0;
    int open = 0;
    const auto sendFlood = [&] {
        tap.asyncInspectDownload(downloadFrom(QStringLiteral("flood")), noise(contentBytes, ++seed),
            &context, [&fate](const Outcome &outcome) {
                ++fate.answered;
                const bool isScanned = outcome.result.verdict() != Verdict::NotScanned;
                ++(isScanned ? fate.scanned : fate.notScanned);
            });
    };
    const auto sendOther = [&] {
        ++open;
        const QByteArray content = noise(contentBytes, ++seed);
        const auto start = Clock::now();
        tap.asyncInspectDownload(downloadFrom(QStringLiteral("other")), content, &context,
            [&samples, &open, start](const Outcome &outcome) {
                --open;
                samples.push_back(Microseconds(Clock::now() - start).count());
                if (outcome.result.verdict() != Verdict::Clean)
                    qFatal("the other was not scanned: %s", qPrintable(describe(outcome.result)));
            });
    };
    sender.callOnTimeout(&context, [&] {
        if (flood == Flood::Runs)
            sendFlood();
        if (++sent % betweenTwoSamples == 0)
            sendOther();
        if (sent == floodDownloads)
            sender.stop();
    });
    sender.start(floodPause);
    runUntil([&] { return sent == floodDownloads && open == 0; });
    if (flood == Flood::Runs)
        runUntil([&] { return fate.answered == floodDownloads; });
    return samples;
}

void floodBesideOther(benchmark::State &state, SecurityTap &tap)
{
    quint32 seed = 1;
    Fate fate;
    std::vector<double> idle;
    std::vector<double> flooded;
    for (auto _ : state) {
        idle = othersUs(tap, Flood::None, seed, fate);
        flooded = othersUs(tap, Flood::Runs, seed, fate);
    }
    state.counters["idle_p50_us"] = percentile(idle, 0.5);
    state.counters["idle_p99_us"] = percentile(idle, 0.99);
    state.counters["flood_p50_us"] = percentile(flooded, 0.5);
    state.counters["flood_p99_us"] = percentile(flooded, 0.99);
    state.counters["ratio_percent"] = 100 * percentile(flooded, 0.99) / percentile(idle, 0.99);
    state.counters["flood_scanned"] = fate.scanned;
    state.counters["flood_not_scanned"] = fate.notScanned;
}

void floodInProcess(benchmark::State &state)
{
    const auto tap = makeTap();
    floodBesideOther(state, *tap);
}

void floodBySentinel(benchmark::State &state)
{
    const auto tap = makeSpawnedTap();
    floodBesideOther(state, *tap);
}

} // namespace

BENCHMARK(floodInProcess)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(floodBySentinel)->Iterations(1)->Unit(benchmark::kMillisecond);
