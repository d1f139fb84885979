// SPDX-License-Identifier: MIT
#include "Sentinel/rules/RuleCanary.h"

#include "SecurityTap/content/Spool.h"
#include "SecurityTap/engine/RuleFiles.h"
#include "SecurityTap/engine/RuleTokens.h"
#include "Sentinel/Limits.h"
#include "Sentinel/rules/CanaryContents.h"

#include <QDir>
#include <QFileInfo>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

namespace Sentinel {

namespace {

using Level = RuleProblem::Level;
using Progress = ScanTask::Progress;

//! A worker that is killed when its time is up.
class TimedWorker {
public:
    TimedWorker(std::unique_ptr<ScanWorker> worker, std::chrono::microseconds time);
    ~TimedWorker();
    Q_DISABLE_COPY_MOVE(TimedWorker)

    //! A verdict about \p bytes. The error, for people: there is none, and why.
    std::expected<ScanResult, QString> scan(const QByteArray &bytes);
    bool isTimeUp() const;

private:
    std::expected<WorkerAnswer, QString> askUntilDone(const Spool &spool);
    void keepTime();

    const std::unique_ptr<ScanWorker> m_worker;
    const std::chrono::microseconds m_time;
    const Deadline m_deadline = Clock::now() + m_time;
    mutable std::mutex m_mutex;
    std::condition_variable m_ended;
    bool m_isEnded = false;
    bool m_isTimeUp = false;
    std::thread m_watch; // the last: it uses the others
};

TimedWorker::TimedWorker(std::unique_ptr<ScanWorker> worker, std::chrono::microseconds time)
    : m_worker(std::move(worker)), m_time(time), m_watch(&TimedWorker::keepTime, this)
{
}

TimedWorker::~TimedWorker()
{
    {
        const std::lock_guard lock(m_mutex);
        m_isEnded = true;
    }
    m_ended.notify_one();
    m_watch.join();
}

bool TimedWorker::isTimeUp() const
{
    const std::lock_guard lock(m_mutex);
    return m_isTimeUp;
}

void TimedWorker::keepTime()
{
    std::unique_lock lock(m_mutex);
    m_isTimeUp = !m_ended.wait_until(lock, m_deadline, [this] { return m_isEnded; });
    if (m_isTimeUp)
        m_worker->kill();
}

std::expected<WorkerAnswer, QString> TimedWorker::askUntilDone(const Spool &spool)
{
    WorkerRequest request;
    request.kind = WorkerRequest::Kind::Begin;
    request.mappedBytes = request.sizeBytes = spool.sizeBytes();
    request.isComplete = true;
    request.slice = Limits::sliceDuration;
    auto answer = m_worker->ask(request, spool.descriptor());
    request.kind = WorkerRequest::Kind::Continue;
    while (answer && answer->progress != Progress::Done)
        answer = m_worker->ask(request);
    return answer;
}

std::expected<ScanResult, QString> TimedWorker::scan(const QByteArray &bytes)
{
    SpoolOptions options;
    options.maxBytes = options.maxMappedBytes = Limits::mib;
    auto spool = Spool::create(options);
    if (!spool || !(*spool)->append({bytes.constData(), size_t(bytes.size())}) || !(*spool)->seal())
        return std::unexpected(QStringLiteral("there is no memory for it"));
    const auto answer = askUntilDone(**spool);
    if (!answer && isTimeUp()) {
        return std::unexpected(
            QStringLiteral("%1 ms are not enough for all that new rules are tried on")
                .arg(std::chrono::duration_cast<std::chrono::milliseconds>(m_time).count()));
    }
    if (!answer)
        return std::unexpected(answer.error());
    if (answer->result->verdict() == Verdict::NotScanned) {
        return std::unexpected(
            QStringLiteral("it has no result: %1 (%2)")
                .arg(nameOf(answer->result->reason()), answer->result->detail()));
    }
    return *answer->result;
}

//! A rule as its text declares it.
struct Declaration {
    QString rule;
    int line = 0;
};

std::vector<Declaration> declarationsIn(const QByteArray &text)
{
    std::vector<Declaration> found;
    const auto tokens = ruleTokens(text);
    if (!tokens)
        return found;
    int line = 1;
    const char *counted = text.constData();
    for (size_t i = 1; i < tokens->size(); ++i) {
        if (!(*tokens)[i - 1].is("rule"))
            continue;
        const QByteArrayView name = (*tokens)[i].text;
        line += int(std::count(counted, name.data(), '\n'));
        counted = name.data();
        found.push_back({QString::fromUtf8(name), line});
    }
    return found;
}

//! A rule file that may be why a content cannot be scanned.
struct Suspect {
    QString path; //!< where it can be compiled from, alone
    RuleFile file;
};

std::vector<Suspect> suspectsBelow(const QStringList &paths)
{
    std::vector<Suspect> suspects;
    for (const QString &path : paths) {
        const bool isDirectory = QFileInfo(path).isDir();
        for (RuleFile &file : readRuleFiles({path}).files)
            suspects.push_back(
                {isDirectory ? QDir(path).filePath(file.relativePath) : path, std::move(file)});
    }
    return suspects;
}

//! The search for the one file with which a content cannot be scanned, by halves.
class CulpritSearch {
public:
    CulpritSearch(const QByteArray &program, const WorkerRules &rules, CanaryContent content)
        : m_program(program)
        , m_options{BadRuleFiles::Skip, rules.options.unratedSeverity}
        , m_suspects(suspectsBelow(rules.paths))
        , m_content(std::move(content))
    {
    }

    //! The problem with that file; with the whole set if it is not to be found. \p why: what the
    //! whole set makes of the content.
    RuleProblem run(const QString &why) const;

private:
    //! False also for those that do not compile alone.
    bool areToBlame(std::span<const Suspect> suspects) const;
    RuleProblem problem(const RuleFile &file, const QString &why) const;

    const QByteArray m_program;
    const RuleOptions m_options;
    const std::vector<Suspect> m_suspects;
    const CanaryContent m_content;
};

RuleProblem CulpritSearch::run(const QString &why) const
{
    const Deadline until = Clock::now() + Limits::maxCulpritSearch;
    std::span<const Suspect> left = m_suspects;
    while (left.size() > 1 && Clock::now() < until) {
        const auto half = left.first(left.size() / 2);
        left = areToBlame(half) ? half : left.subspan(half.size());
    }
    if (left.size() == 1 && areToBlame(left)) // seen once more, or for the first time
        return problem(left.front().file, why);
    return {Level::Error, {}, 0,
        QStringLiteral("the rules cannot scan %1: %2; no single file was found to be the cause")
            .arg(m_content.name, why)};
}

bool CulpritSearch::areToBlame(std::span<const Suspect> suspects) const
{
    WorkerRules rules{{}, m_options};
    for (const Suspect &suspect : suspects)
        rules.paths.append(suspect.path);
    const auto parent = WorkerParent::start(m_program, rules);
    auto worker = parent ? (*parent)->makeWorker() : std::unexpected(QString());
    return worker && !TimedWorker(std::move(*worker), Limits::culpritTime).scan(m_content.bytes);
}

RuleProblem CulpritSearch::problem(const RuleFile &file, const QString &why) const
{
    const auto rules = declarationsIn(file.text);
    const QString who = rules.size() == 1 ? QStringLiteral("the rule %1").arg(rules.front().rule)
                                          : QStringLiteral("a rule of this file");
    return {Level::Error, file.relativePath, rules.size() == 1 ? rules.front().line : 0,
        QStringLiteral("%1 cannot scan %2: %3").arg(who, m_content.name, why)};
}

//! What harmless contents are found to be by rules that should not.
class FalseAlarms {
public:
    void add(const QString &contentName, const ScanResult &result);
    //! A problem for each such rule, with its place in the files of \p paths.
    std::vector<RuleProblem> problems(const QStringList &paths) const;

private:
    //! By namespace and rule: the first content that it finds.
    std::map<std::pair<QString, QString>, QString> m_contentNames;
};

void FalseAlarms::add(const QString &contentName, const ScanResult &result)
{
    for (const Finding &finding : result.findings()) {
        if (finding.severity != Severity::Info)
            m_contentNames.try_emplace({finding.ruleNamespace, finding.rule}, contentName);
    }
}

std::vector<RuleProblem> FalseAlarms::problems(const QStringList &paths) const
{
    std::vector<RuleProblem> problems;
    if (m_contentNames.empty())
        return problems;
    const RuleFiles read = readRuleFiles(paths);
    for (const auto &[place, contentName] : m_contentNames) {
        const auto &[ruleNamespace, ruleName] = place;
        RuleProblem problem{Level::Error, ruleNamespace, 0,
            QStringLiteral("the rule %1 finds %2, which is harmless").arg(ruleName, contentName)};
        const auto file = std::ranges::find(read.files, ruleNamespace, &RuleFile::ruleNamespace);
        if (file != read.files.end()) {
            problem.file = file->relativePath;
            const auto rules = declarationsIn(file->text);
            const auto rule = std::ranges::find(rules, ruleName, &Declaration::rule);
            problem.line = rule == rules.end() ? 0 : rule->line;
        }
        problems.push_back(std::move(problem));
    }
    return problems;
}

//! What a worker made of all contents.
struct Trial {
    FalseAlarms falseAlarms;
    bool findsEicar = false;
};

//! Why it did not come to an end.
struct TrialFault {
    QString why;
    std::optional<CanaryContent> content; // none: it did not begin
    bool isTimeUp = false;
};

std::expected<Trial, TrialFault> tryAll(TimedWorker &worker)
{
    Trial trial;
    CanaryContent slowest;
    Clock::duration longest{-1};
    for (const CanaryContent &content : harmlessContents()) {
        const Deadline begin = Clock::now();
        const auto result = worker.scan(content.bytes);
        if (Clock::now() - begin > longest) {
            longest = Clock::now() - begin;
            slowest = content;
        }
        if (!result && worker.isTimeUp()) // where the time went is not always where it ran out
            return std::unexpected(TrialFault{result.error(), slowest, true});
        if (!result)
            return std::unexpected(TrialFault{result.error(), content, false});
        trial.falseAlarms.add(content.name, *result);
    }
    const CanaryContent eicar = eicarContent();
    const auto result = worker.scan(eicar.bytes);
    if (!result)
        return std::unexpected(TrialFault{result.error(), eicar, worker.isTimeUp()});
    trial.findsEicar = result->isThreat();
    return trial;
}

std::expected<Trial, TrialFault> tryAll(WorkerParent &parent)
{
    auto worker = parent.makeWorker();
    if (!worker)
        return std::unexpected(TrialFault{worker.error(), {}, false});
    TimedWorker timed(std::move(*worker),
        Limits::canaryTime + parent.rules().rules.rules * Limits::canaryTimePerRule);
    return tryAll(timed);
}

} // namespace

std::expected<ProvenRules, std::vector<RuleProblem>> proveRules(WorkerParent &parent,
    const QByteArray &program, const WorkerRules &rules, Level ifEicarIsMissed)
{
    if (parent.rules().rules.rules == 0) {
        return std::unexpected(std::vector{
            RuleProblem{Level::Error, {}, 0, QStringLiteral("there is no rule in the files")}});
    }
    auto trial = tryAll(parent);
    if (!trial && trial.error().isTimeUp) // once more: the machine may have stood still
        trial = tryAll(parent);
    if (!trial) {
        const auto &[why, content, isTimeUp] = trial.error();
        return std::unexpected(
            std::vector<RuleProblem>{content ? CulpritSearch(program, rules, *content).run(why)
                                             : RuleProblem{Level::Error, {}, 0, why}});
    }
    std::vector<RuleProblem> problems = trial->falseAlarms.problems(rules.paths);
    if (!trial->findsEicar) {
        problems.push_back(
            {ifEicarIsMissed, {}, 0, QStringLiteral("no rule finds %1").arg(eicarContent().name)});
    }
    if (std::ranges::find(problems, Level::Error, &RuleProblem::level) != problems.end())
        return std::unexpected(std::move(problems));
    return ProvenRules{trial->findsEicar, std::move(problems)};
}

} // namespace Sentinel
