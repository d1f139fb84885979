// SPDX-License-Identifier: MIT
#include "Sentinel/FileScanner.h"

#include "SecurityTap/engine/YaraEngine.h"

#include <QFile>

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds collectPatience{100};
//! A scan is not to give way to another: with files, only the sum of them counts.
constexpr std::chrono::hours wholeScan{24};
constexpr milliseconds stopPatience{200};

LocalBackend::Settings backendSettings(const FileScanner::Settings &settings)
{
    LocalBackend::Settings backend;
    backend.queue.maxRequests = FileScanner::requestsPerJob * settings.jobs;
    backend.queue.maxBytes = std::numeric_limits<qint64>::max();
    backend.workers.minWorkers = settings.jobs;
    backend.workers.maxWorkers = settings.jobs;
    backend.workers.slice = wholeScan;
    backend.workers.stopPatience = stopPatience;
    backend.cache.enabled = false;
    backend.maxScanBytes = settings.maxBytes;
    backend.hashContent = settings.hashContent;
    if (settings.timeout) {
        backend.timeouts.least = *settings.timeout;
        backend.timeouts.most = *settings.timeout;
    } else if (settings.maxBytes > Limits::maxScanBytes) {
        // As much time a byte as for what is usual.
        backend.timeouts.most *= settings.maxBytes / Limits::maxScanBytes + 1;
        backend.timeouts.largestBytes = settings.maxBytes;
    }
    return backend;
}

//! Each file on its way may hold its directory open: more than the usual 1024 descriptors with many
//! jobs. Nothing here uses select(), for which that limit is kept low.
void raiseDescriptorLimit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

//! One file on its way through the workers.
struct FileScanner::Job {
    FilePlace place;
    quint64 request = 0;
    // Written by the worker, which may be stuck when somebody else answers.
    std::atomic<Clock::duration::rep> startedAt{0};
    std::atomic<qint64> sizeBytes{-1};
};

struct FileScanner::Finished {
    std::shared_ptr<Job> job;
    ScanResult result;
    Clock::time_point at;
};

//! Where the workers put results; any thread (locked).
struct FileScanner::Sink {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Finished> finished;
    size_t wanted = 0; // results for which the owner is to be woken
    bool isUrgent = false;

    void add(Finished one)
    {
        const std::lock_guard lock(mutex);
        isUrgent = isUrgent || one.result.verdict() != Verdict::Clean;
        finished.push_back(std::move(one));
        if (isUrgent || finished.size() >= wanted)
            changed.notify_one();
    }
};

//! The way from a loader, which may be stuck for ever, to the backend, which may be gone by then.
struct FileScanner::Line {
    std::mutex mutex;
    LocalBackend *backend = nullptr;
};

FileScanner::FileScanner(std::shared_ptr<const RuleSet> ruleSet, const Settings &settings)
    : m_settings(settings)
    , m_buffers(std::make_shared<ReadBuffers>(settings.maxBytes + 1))
    , m_sink(std::make_shared<Sink>())
    , m_backend(std::make_unique<LocalBackend>(
          std::make_shared<YaraEngine>(std::move(ruleSet)), backendSettings(settings)))
    , m_line(std::make_shared<Line>())
{
    raiseDescriptorLimit();
    m_line->backend = m_backend.get();
    m_backend->start();
}

FileScanner::~FileScanner()
{
    const std::lock_guard lock(m_line->mutex);
    m_line->backend = nullptr;
}

void FileScanner::submit(FilePlace place)
{
    ++m_inFlight;
    auto job = std::make_shared<Job>();
    job->place = std::move(place);

    const QByteArray &path = job->place.path;
    ScanSubject subject;
    subject.filePath = QFile::decodeName(path);
    subject.metadata.filename = subject.filePath.sliced(subject.filePath.lastIndexOf(u'/') + 1);
    subject.loader = loader(job, m_line, m_buffers, m_settings.maxBytes);
    auto request =
        std::make_shared<ScanRequest>(std::move(subject), [sink = m_sink, job](ScanResult result) {
            sink->add({job, std::move(result), Clock::now()});
        });
    job->request = request->id();
    if (const auto refusal = m_backend->submit(std::move(request)))
        m_sink->add({job, ScanResult::notScanned(*refusal), Clock::now()});
}

ScanSubject::Loader FileScanner::loader(const std::shared_ptr<Job> &job,
    const std::shared_ptr<Line> &line, const std::shared_ptr<ReadBuffers> &buffers, qint64 maxBytes)
{
    return [job, line, buffers,
               maxBytes]() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
        const auto beginTime = [&](qint64 sizeBytes) {
            const std::lock_guard lock(line->mutex);
            if (line->backend) // the wait was not the file's fault: its time begins here
                line->backend->completeContent(job->request, sizeBytes);
        };
        job->startedAt = Clock::now().time_since_epoch().count();
        beginTime(0); // to open it may take for ever, too
        const auto file = openForScan(job->place);
        if (!file)
            return std::unexpected(ScanResult::notScanned(Reason::Unreadable, file.error()));
        struct stat status { };
        if (::fstat(file->get(), &status) == 0)
            job->sizeBytes = status.st_size;
        beginTime(status.st_size);
        auto content = readFile(*file, maxBytes, buffers);
        if (content)
            job->sizeBytes = (*content)->extent().sizeBytes;
        return content;
    };
}

std::vector<FileVerdict> FileScanner::collect()
{
    std::vector<Finished> finished;
    {
        std::unique_lock lock(m_sink->mutex);
        // Half of what is under way: the workers have the other half while we are busy.
        const int half = requestsPerJob * m_settings.jobs / 2;
        m_sink->wanted = size_t(std::min(m_inFlight, half));
        m_sink->changed.wait_for(lock, collectPatience,
            [this] { return m_sink->isUrgent || m_sink->finished.size() >= m_sink->wanted; });
        finished.swap(m_sink->finished);
        m_sink->wanted = std::numeric_limits<size_t>::max();
        m_sink->isUrgent = false;
    }
    std::vector<FileVerdict> verdicts;
    verdicts.reserve(finished.size());
    for (Finished &one : finished) {
        Job &job = *one.job;
        const Clock::time_point startedAt{Clock::duration(job.startedAt.load())};
        const bool hasStarted = startedAt != Clock::time_point();
        --m_inFlight;
        // Without its time on a worker, it waited for workers that are busy, or stuck and going to
        // be replaced.
        const bool hadItsTime =
            hasStarted && one.at - startedAt >= m_backend->settings().timeouts.least;
        if (one.result.reason() == Reason::TimedOut && !hadItsTime
            && m_backend->telemetry().workers > 0) {
            submit(job.place); // a copy: a worker may just be coming
            continue;
        }
        const qint64 size = job.sizeBytes;
        verdicts.push_back({job.place.path, size < 0 ? std::nullopt : std::optional(size),
            std::move(one.result),
            hasStarted ? std::chrono::duration_cast<std::chrono::microseconds>(one.at - startedAt)
                       : std::chrono::microseconds(0)});
    }
    return verdicts;
}

bool FileScanner::hasStuckWorker() const
{
    return m_backend->telemetry().workersReplaced > 0;
}

} // namespace Sentinel
