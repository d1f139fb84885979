// SPDX-License-Identifier: MIT
//
// What 100 queued downloads of 10 MB cost beyond their own bytes.
#include "benchmarks/Support.h"

#include <QFile>

#include <algorithm>

using namespace Sentinel;
using namespace Sentinel::Bench;

namespace {

//! Kilobytes of \p field in a file of /proc with "Name:  value kB" lines.
qint64 procKilobytes(const QString &path, const QByteArray &field)
{
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        qFatal("no %s", qPrintable(path));
    for (const QByteArray &line : file.readAll().split('\n')) {
        if (line.startsWith(field + ':'))
            return line.mid(field.size() + 1).trimmed().split(' ').front().toLongLong();
    }
    qFatal("no %s in %s", field.constData(), qPrintable(path));
}

//! Private memory of this process, and the memory files of the machine, which hold the spools.
qint64 usedBytes()
{
    return 1024
        * (procKilobytes(QStringLiteral("/proc/self/status"), "RssAnon")
            + procKilobytes(QStringLiteral("/proc/meminfo"), "Shmem"));
}

void queuedDownloads(benchmark::State &state)
{
    constexpr int downloads = 100;
    constexpr qint64 size = 10'000'000;
    const QByteArray piece = noise(size);
    TapSettings settings;
    settings.scanning.workers.maxWorkers = 1;
    settings.maxSpoolMemoryBytes = 2 * Limits::gib; // all in memory: the dearest case
    for (auto _ : state) {
        const auto tap = makeTap(settings);
        std::vector<Inspection *> inspections;
        const qint64 before = usedBytes();
        for (int i = 0; i < downloads; ++i) {
            Download download;
            download.metadata.sizeBytes = size;
            inspections.push_back(tap->inspect(download));
            inspections.back()->write(piece);
            inspections.back()->finish();
        }
        const qint64 queued = usedBytes();
        const qint64 waiting = tap->telemetry().currentQueueDepth;
        runUntil([&] {
            return std::ranges::all_of(
                inspections, [](const Inspection *i) { return i->outcome().has_value(); });
        });
        qDeleteAll(inspections);
        state.counters["waiting"] = double(waiting);
        state.counters["own_MB"] = downloads * size / 1e6;
        state.counters["used_MB"] = double(queued - before) / 1e6;
        state.counters["over_percent"] =
            100.0 * double(queued - before - downloads * size) / double(downloads * size);
        state.counters["left_MB"] = double(usedBytes() - before) / 1e6;
    }
}

} // namespace

BENCHMARK(queuedDownloads)->Iterations(1)->Unit(benchmark::kMillisecond);
