// SPDX-License-Identifier: MIT
#include "Sentinel/FileScanner.h"

#include "Sentinel/DescriptorLimit.h"

#include <QFile>

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds collectPatience{100};
//! Times a file is tried again that nobody was there for, or had room for.
constexpr int maxTries = 100;

} // namespace

//! One file on its way through the workers.
struct FileScanner::Job {
    explicit Job(FilePlace its) : place(std::move(its)) { }

    const FilePlace place;
    int tries = 0;
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
    ScanBackend *backend = nullptr;
};

FileScanner::FileScanner(std::unique_ptr<ScanBackend> backend, const Settings &settings)
    : m_settings(settings)
    , m_buffers(std::make_shared<ReadBuffers>(settings.maxBytes + 1))
    , m_sink(std::make_shared<Sink>())
    , m_backend(std::move(backend))
    , m_line(std::make_shared<Line>())
{
    raiseDescriptorLimit();
    m_line->backend = m_backend.get();
}

FileScanner::~FileScanner()
{
    const std::lock_guard lock(m_line->mutex);
    m_line->backend = nullptr;
}

void FileScanner::submit(FilePlace place)
{
    ++m_inFlight;
    submit(std::make_shared<Job>(std::move(place)));
}

void FileScanner::submit(std::shared_ptr<Job> job)
{
    const QByteArray &path = job->place.path;
    ScanSubject subject;
    subject.filePath = QFile::decodeName(path);
    subject.metadata.filename = subject.filePath.sliced(subject.filePath.lastIndexOf(u'/') + 1);
    subject.loader = loader(job);
    auto request =
        std::make_shared<ScanRequest>(std::move(subject), [sink = m_sink, job](ScanResult result) {
            sink->add({job, std::move(result), Clock::now()});
        });
    job->request = request->id();
    if (const auto refusal = m_backend->submit(std::move(request)))
        m_sink->add({job, ScanResult::notScanned(*refusal), Clock::now()});
}

ScanSubject::Loader FileScanner::loader(const std::shared_ptr<Job> &job) const
{
    const bool asFile = m_backend->contentForm() == ScanBackend::ContentForm::File;
    return [job, line = m_line, buffers = m_buffers, maxBytes = m_settings.maxBytes,
               asFile]() -> std::expected<std::shared_ptr<const Content>, ScanResult> {
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
        auto content = asFile ? copyFile(*file, maxBytes) : readFile(*file, maxBytes, buffers);
        if (content)
            job->sizeBytes = (*content)->extent().sizeBytes;
        return content;
    };
}

//! True if \p one has its result for a reason that is not the file's.
bool FileScanner::isWorthAnotherTry(const Finished &one) const
{
    const bool isElsewhere = m_backend->contentForm() == ScanBackend::ContentForm::File;
    switch (one.result.reason()) {
    case Reason::TimedOut:
        // Nobody has looked at it: it waited for workers that are busy, or stuck and going to be
        // replaced.
        return one.result.coverage().bytesTotal < 0
            && (isElsewhere ? one.job->tries < maxTries : m_backend->telemetry().workers > 0);
    case Reason::QueueFull: // others use the same sentinel
    case Reason::ScannerUnavailable: // it may be there again at once
        return isElsewhere && one.job->tries < maxTries;
    default:
        return false;
    }
}

std::vector<FileVerdict> FileScanner::collect()
{
    const auto again = std::exchange(m_again, {}); // after what comes now, or a while
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
    for (const std::shared_ptr<Job> &job : again)
        submit(job);
    std::vector<FileVerdict> verdicts;
    verdicts.reserve(finished.size());
    for (Finished &one : finished) {
        if (isWorthAnotherTry(one)) {
            // Another job: a worker may just be coming with this one.
            m_again.push_back(std::make_shared<Job>(one.job->place));
            m_again.back()->tries = one.job->tries + 1;
            continue;
        }
        --m_inFlight;
        const Job &job = *one.job;
        const Clock::time_point startedAt{Clock::duration(job.startedAt.load())};
        const bool hasStarted = startedAt != Clock::time_point();
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
