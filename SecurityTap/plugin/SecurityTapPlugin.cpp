// SPDX-License-Identifier: MIT
#include "SecurityTap/plugin/SecurityTapPlugin.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/policy/Decision.h"

#include <QFileInfo>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

namespace Sentinel {

namespace {

constexpr qint64 mostBytes = 1024 * Limits::gib;
constexpr qint64 mostWorkers = 256;
constexpr qint64 mostRequests = 1'000'000;
constexpr qint64 mostCacheEntries = 10'000'000;
constexpr std::chrono::milliseconds longestTime = std::chrono::hours(24);
//! Up to here a double, which is what numbers from JSON are, holds every whole number.
constexpr double largestExactDouble = 9007199254740992.0;

std::optional<qint64> toWholeNumber(const QVariant &value)
{
    switch (value.typeId()) {
    case QMetaType::Int:
    case QMetaType::UInt:
    case QMetaType::LongLong:
        return value.toLongLong();
    case QMetaType::ULongLong: // one beyond qint64 is out of any bounds
        return qint64(std::min(value.toULongLong(), quint64(std::numeric_limits<qint64>::max())));
    case QMetaType::Double: {
        const double number = value.toDouble();
        if (std::abs(number) <= largestExactDouble && number == std::trunc(number))
            return qint64(number);
        return std::nullopt;
    }
    default:
        return std::nullopt;
    }
}

std::optional<QStringList> toTexts(const QVariant &value)
{
    const auto isText = [](const QVariant &entry) { return entry.typeId() == QMetaType::QString; };
    if (isText(value) || value.typeId() == QMetaType::QStringList)
        return value.toStringList();
    if (value.typeId() != QMetaType::QVariantList) // what lists from JSON are
        return std::nullopt;
    const QVariantList entries = value.toList();
    if (!std::all_of(entries.begin(), entries.end(), isText))
        return std::nullopt;
    return value.toStringList();
}

//! Takes values out of a map, each checked; the first problem stays.
class SettingsReader {
public:
    explicit SettingsReader(const QVariantMap &settings) : m_left(settings) { }

    std::optional<bool> flag(const QString &key)
    {
        if (!m_left.contains(key))
            return std::nullopt;
        const QVariant value = m_left.take(key);
        if (value.typeId() == QMetaType::Bool)
            return value.toBool();
        report(key, QStringLiteral("must be true or false"));
        return std::nullopt;
    }

    std::optional<QStringList> texts(const QString &key)
    {
        if (!m_left.contains(key))
            return std::nullopt;
        const auto texts = toTexts(m_left.take(key));
        if (!texts)
            report(key, QStringLiteral("must be a list of texts"));
        return texts;
    }

    template <typename Number>
    void number(const QString &key, qint64 most, Number &target)
    {
        if (!m_left.contains(key))
            return;
        const auto number = toWholeNumber(m_left.take(key));
        if (!number)
            report(key, QStringLiteral("must be a whole number"));
        else if (*number < 1 || *number > most)
            report(key, QStringLiteral("must be from 1 to %1").arg(most));
        else
            target = Number(*number);
    }

    void report(const QString &key, const QString &problem)
    {
        if (m_problem.isEmpty())
            m_problem = QStringLiteral("setting \"%1\": %2").arg(key, problem);
    }

    //! Everything has been asked for: what is left is unknown.
    QString problem()
    {
        if (!m_left.isEmpty())
            report(m_left.firstKey(), QStringLiteral("there is no such setting"));
        return m_problem;
    }

private:
    QVariantMap m_left;
    QString m_problem;
};

//! What \p policy says of a body when there is nobody who could look at it.
Disposition unscanned(const Policy &policy, const Download &download)
{
    const auto facts = PolicyFacts::of(download, ScanResult::notScanned(Reason::ScannerUnavailable),
        FileType::Unknown, 0, PolicyFacts::Extent::SoFar);
    return decide(policy, facts, {}, QDateTime::currentDateTimeUtc()).disposition;
}

//! Nothing if there is no such setting, or it is none of a few.
std::optional<Disposition> readDisposition(
    SettingsReader &reader, const QString &key, std::initializer_list<Disposition> allowed)
{
    const auto texts = reader.texts(key);
    if (!texts)
        return std::nullopt;
    const auto read = dispositionNamed(texts->size() == 1 ? texts->front() : QString());
    if (read && std::ranges::find(allowed, *read) != allowed.end())
        return read;
    QStringList names;
    for (const Disposition one : allowed)
        names.append(u'"' + nameOf(one).toLower() + u'"');
    reader.report(key, QStringLiteral("must be one of %1").arg(names.join(QStringLiteral(", "))));
    return std::nullopt;
}

void readClauses(SettingsReader &reader, Policy &policy)
{
    const QString key = QStringLiteral("policyClauses");
    const QStringList texts = reader.texts(key).value_or(QStringList());
    if (texts.size() > Limits::maxPolicyClauses)
        reader.report(key, QStringLiteral("has more than %1").arg(Limits::maxPolicyClauses));
    for (const QString &text : texts) {
        auto clause = PolicyClause::parse(text);
        if (clause)
            policy.clauses.push_back(*std::move(clause));
        else
            reader.report(key, QStringLiteral("\"%1\": %2").arg(text, clause.error()));
    }
}

void readPolicy(SettingsReader &reader, Policy &policy)
{
    if (reader.flag(QStringLiteral("failClosed")).value_or(false))
        policy.notScanned = Policy::failClosed().notScanned;
    using enum Disposition;
    if (!reader.flag(QStringLiteral("blockSuspicious")).value_or(true))
        policy.suspicious = Release;
    policy.malicious =
        readDisposition(reader, QStringLiteral("malicious"), {Quarantine, Block, Warn})
            .value_or(policy.malicious);
    policy.suspicious =
        readDisposition(reader, QStringLiteral("suspicious"), {Quarantine, Block, Warn, Release})
            .value_or(policy.suspicious);
    readClauses(reader, policy);
    reader.number(
        QStringLiteral("holdMs"), std::chrono::milliseconds(Limits::maxHold).count(), policy.hold);

    const QString key = QStringLiteral("failClosedReasons");
    const QStringList names = reader.texts(key).value_or(QStringList());
    for (const QString &name : names) {
        const auto reason = std::find_if(allReasons.begin(), allReasons.end(),
            [&name](Reason candidate) { return nameOf(candidate) == name; });
        if (reason == allReasons.end() || *reason == Reason::None)
            reader.report(key, QStringLiteral("there is no reason \"%1\"").arg(name));
        else
            policy.forReason(*reason) = Disposition::Block;
    }
}

void readScanning(SettingsReader &reader, LocalBackend::Settings &scanning)
{
    const auto milliseconds = [&reader](const QString &key, std::chrono::milliseconds &target) {
        reader.number(key, longestTime.count(), target);
    };
    reader.number(QStringLiteral("maxScanBytes"), mostBytes, scanning.maxScanBytes);
    scanning.timeouts.largestBytes = scanning.maxScanBytes;
    reader.number(QStringLiteral("workers"), mostWorkers, scanning.workers.maxWorkers);
    reader.number(QStringLiteral("queueRequests"), mostRequests, scanning.queue.maxRequests);
    reader.number(QStringLiteral("queueBytes"), mostBytes, scanning.queue.maxBytes);

    auto &[least, most, largestBytes] = scanning.timeouts;
    milliseconds(QStringLiteral("timeoutMostMs"), most);
    least = std::min(least, most); // the default gives way; a value that was set does not
    milliseconds(QStringLiteral("timeoutLeastMs"), least);
    if (least > most) {
        reader.report(QStringLiteral("timeoutLeastMs"),
            QStringLiteral("must not be above timeoutMostMs, %1").arg(most.count()));
    }

    scanning.cache.enabled = reader.flag(QStringLiteral("cache")).value_or(true);
    reader.number(QStringLiteral("cacheEntries"), mostCacheEntries, scanning.cache.maxEntries);
    milliseconds(QStringLiteral("cacheTimeToLiveMs"), scanning.cache.timeToLive);
}

void readIsolation(SettingsReader &reader, TapSettings &settings)
{
    const auto text = [&reader](const QString &key, const QString &otherwise) {
        const auto texts = reader.texts(key);
        if (!texts)
            return otherwise;
        if (texts->size() == 1 && !texts->front().isEmpty())
            return texts->front();
        reader.report(key, QStringLiteral("must be one text"));
        return otherwise;
    };
    const QString key = QStringLiteral("isolation");
    const QString name = text(key, nameOf(settings.isolation));
    if (const auto isolation = isolationFromName(name))
        settings.isolation = *isolation;
    else
        reader.report(
            key, QStringLiteral("must be \"in-process\", \"spawned\", \"system\" or \"auto\""));
    SentinelSettings &sentinel = settings.sentinel;
    sentinel.program = text(QStringLiteral("sentinelProgram"), sentinel.program);
    sentinel.settingsFile = text(QStringLiteral("sentinelSettings"), sentinel.settingsFile);
    sentinel.socketPath = text(QStringLiteral("sentinelSocket"), sentinel.socketPath);
}

void readSpooling(SettingsReader &reader, TapSettings &settings)
{
    reader.number(QStringLiteral("maxSpoolBytes"), mostBytes, settings.maxSpoolBytes);
    reader.number(QStringLiteral("maxSpoolMemoryBytes"), mostBytes, settings.maxSpoolMemoryBytes);

    const QString key = QStringLiteral("spoolDirectory");
    const auto directories = reader.texts(key);
    if (!directories)
        return;
    const QFileInfo info(directories->value(0));
    if (directories->size() == 1 && info.isDir() && info.isWritable())
        settings.spoolDirectory = info.filePath();
    else
        reader.report(key, QStringLiteral("must be a directory that can be written to"));
}

} // namespace

std::expected<TapSettings, QString> tapSettings(const QVariantMap &settings)
{
    TapSettings result;
    SettingsReader reader(settings);
    result.rulePaths = reader.texts(QStringLiteral("rules")).value_or(QStringList());
    if (reader.flag(QStringLiteral("skipBadRuleFiles")).value_or(false))
        result.rules.badFiles = BadRuleFiles::Skip;
    readPolicy(reader, result.policy);
    readScanning(reader, result.scanning);
    readIsolation(reader, result);
    readSpooling(reader, result);
    if (const QString problem = reader.problem(); !problem.isEmpty())
        return std::unexpected(problem);
    return result;
}

SecurityTapPlugin::SecurityTapPlugin(QObject *parent) : QObject(parent), m_withoutTap(Policy()) { }

SecurityTapPlugin::SecurityTapPlugin(TapSettings settings, QObject *parent)
    : SecurityTapPlugin(parent)
{
    if (const auto started = startWith(std::move(settings)); !started)
        qCWarning(logTap).noquote() << "the plugin cannot start:" << started.error();
}

SecurityTapPlugin::~SecurityTapPlugin()
{
    // Slots that hear the last outcomes may call us, or run an event loop in which other bodies
    // begin: they then find a plugin without a tap.
    m_withoutTap.reset();
    const auto tap = std::exchange(m_tap, nullptr);
}

std::expected<void, QString> SecurityTapPlugin::start(const QVariantMap &settings)
{
    auto read = tapSettings(settings);
    if (!read) {
        m_withoutTap.reset();
        m_errorString = read.error();
        return std::unexpected(m_errorString);
    }
    return startWith(std::move(*read));
}

std::expected<void, QString> SecurityTapPlugin::startWith(TapSettings settings)
{
    if (m_tap)
        return std::unexpected(QStringLiteral("the plugin was started before"));
    m_withoutTap = settings.policy;
    auto tap = SecurityTap::create(std::move(settings));
    if (!tap) {
        QStringList problems;
        for (const RuleProblem &problem : tap.error())
            problems.append(describe(problem));
        m_errorString = problems.join(QLatin1Char('\n'));
        return std::unexpected(m_errorString);
    }
    m_tap = std::move(*tap);
    m_errorString.clear();
    return {};
}

std::expected<Inspection *, QString> SecurityTapPlugin::intercept(Download download)
{
    if (m_tap)
        return m_tap->inspect(std::move(download));
    const bool isRefused =
        !m_withoutTap || unscanned(*m_withoutTap, download) != Disposition::Release;
    const QString why = explanation(Reason::ScannerUnavailable);
    qCWarning(logTap).noquote() << (isRefused ? "refused:" : "passes uninspected:")
                                << printable(download.loggedAddress()) << why;
    if (isRefused)
        return std::unexpected(why);
    return nullptr;
}

void SecurityTapPlugin::connectionClosed(ConnectionId connection)
{
    if (m_tap)
        m_tap->closeConnection(connection);
}

TelemetrySnapshot SecurityTapPlugin::telemetry() const
{
    return m_tap ? m_tap->telemetry() : TelemetrySnapshot{};
}

} // namespace Sentinel
