// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/ScanTask.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "tests/support/Patience.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace Sentinel::Test {

//! \brief A door that a test opens once and that any number of threads wait at.
//!
//! Copies share one door, so that a worker left behind may still hold one.
class Gate {
public:
    void open() const
    {
        const std::lock_guard lock(m_state->mutex);
        m_state->isOpen = true;
        m_state->changed.notify_all();
    }
    //! False if it was not opened within \p limit.
    bool wait(std::chrono::milliseconds limit = patience) const
    {
        std::unique_lock lock(m_state->mutex);
        return m_state->changed.wait_for(lock, limit, [this] { return m_state->isOpen; });
    }

private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        bool isOpen = false;
    };
    std::shared_ptr<State> m_state = std::make_shared<State>();
};

//! \brief Opens a gate at the end of a scope, so that a test that fails leaves no worker stuck.
class OpenAtEnd {
public:
    explicit OpenAtEnd(Gate gate) : m_gate(std::move(gate)) { }
    ~OpenAtEnd() { m_gate.open(); }
    Q_DISABLE_COPY_MOVE(OpenAtEnd)

private:
    Gate m_gate;
};

//! \brief A Clean result of \p bytes bytes.
inline ScanResult cleanResult(qint64 bytes = 1)
{
    Coverage coverage;
    coverage.bytesTotal = bytes;
    coverage.bytesScanned = bytes;
    coverage.engines = {QStringLiteral("scripted")};
    coverage.ruleSetDigest = QByteArray(32, 'd');
    coverage.wholeEvaluated = true;
    return ScanResult::judge(coverage, {}, QByteArray(32, 's'));
}

//! \brief A scan whose slices are written by the test.
class ScriptedTask final : public ScanTask {
public:
    using Step = std::function<Progress(const SliceBudget &)>;
    using Result = std::function<ScanResult()>;

    explicit ScriptedTask(
        Step step, Result result = [] { return cleanResult(); })
        : m_step(std::move(step)), m_result(std::move(result))
    {
        ++s_alive;
    }
    ~ScriptedTask() override { --s_alive; }
    Q_DISABLE_COPY_MOVE(ScriptedTask)

    Progress step(const SliceBudget &budget) override
    {
        return m_step ? m_step(budget) : Progress::Done;
    }
    ScanResult takeResult() override { return m_result(); }

    //! Scripted tasks that exist.
    static int alive() { return s_alive.load(); }

private:
    const Step m_step;
    const Result m_result;
    static inline std::atomic<int> s_alive{0};
};

//! \brief Makes the tasks of a pool: each request's own script, or one slice that is Clean.
//!
//! Thread: any (locked).
class ScriptedEngine {
public:
    using Maker = std::function<std::unique_ptr<ScanTask>()>;

    void script(quint64 requestId, Maker maker)
    {
        const std::lock_guard lock(m_mutex);
        m_makers.emplace(requestId, std::move(maker));
    }
    std::unique_ptr<ScanTask> makeTask(const ScanRequest &request)
    {
        Maker maker;
        {
            const std::lock_guard lock(m_mutex);
            if (auto script = m_makers.extract(request.id()))
                maker = std::move(script.mapped());
        }
        return maker ? maker() : std::make_unique<ScriptedTask>(ScriptedTask::Step());
    }

private:
    std::mutex m_mutex;
    std::unordered_map<quint64, Maker> m_makers;
};

//! \brief What was answered, in its order.
//!
//! Thread: any (locked).
class AnswerBook {
public:
    struct Line {
        QString name;
        ScanResult result;
        Clock::time_point at;
    };

    //! An answer callback that writes here.
    ScanRequest::Answer writer(const QString &name) const
    {
        return [book = m_book, name](ScanResult result) {
            const std::lock_guard lock(book->mutex);
            book->lines.push_back({name, std::move(result), Clock::now()});
            book->changed.notify_all();
        };
    }
    //! False if there are not \p count answers within \p limit.
    bool waitFor(size_t count, std::chrono::milliseconds limit = patience) const
    {
        std::unique_lock lock(m_book->mutex);
        return m_book->changed.wait_for(
            lock, limit, [this, count] { return m_book->lines.size() >= count; });
    }
    std::vector<Line> lines() const
    {
        const std::lock_guard lock(m_book->mutex);
        return m_book->lines;
    }
    QStringList names() const
    {
        QStringList names;
        for (const Line &line : lines())
            names.append(line.name);
        return names;
    }

private:
    struct Book {
        std::mutex mutex;
        std::condition_variable changed;
        std::vector<Line> lines;
    };
    std::shared_ptr<Book> m_book = std::make_shared<Book>();
};

} // namespace Sentinel::Test
