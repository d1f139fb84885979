// SPDX-License-Identifier: MIT
#include "SecurityTap/plugin/RequestServerPlugin.h"
#include "SecurityTap/plugin/SecurityTapPlugin.h"
#include "tests/support/Patience.h"

#include <QJsonDocument>
#include <QJsonObject>
#include <QPluginLoader>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace Sentinel;
using Test::patienceMs;

namespace {

const QString houseRules = QStringLiteral(SENTINEL_SOURCE_DIR "/rules");

//! The standard test file, put together so that this source is not one itself.
QByteArray eicar()
{
    return QByteArray("X5O!P%@AP[4\\PZX54(P^)7CC)7}$") + "EICAR-STANDARD-" + "ANTIVIRUS-"
        + "TEST-FILE!$H+H*";
}

} // namespace

class PluginTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void module_loaded_inspects();
    void module_loaded_namesItsInterface();
    void start_secondTime_fails();
    void start_badSetting_isNamed_data();
    void start_badSetting_isNamed();
    void start_everySetting_isTaken();
    void start_settingsFromJson_areTaken();
    void start_failClosed_blocksEveryReason();
    void start_defaultTimeout_givesWayToShorterMost();
    void start_badRules_areNamed();
    void plugin_notStarted_passesWithAWarning();
    void plugin_startFailed_doesAsItsPolicySays_data();
    void plugin_startFailed_doesAsItsPolicySays();
    void plugin_destroyed_decidesWhatIsUnderWay();
    void connectionClosed_cancelsItsInspectionsOnly();
};

void PluginTest::module_loaded_inspects()
{
    QPluginLoader loader(QStringLiteral(SENTINEL_PLUGIN_PATH));
    QVERIFY2(loader.load(), qPrintable(loader.errorString()));
    auto *plugin = qobject_cast<RequestServerPlugin *>(loader.instance());
    QVERIFY(plugin);
    const auto started = plugin->start({{QStringLiteral("rules"), QStringList{houseRules}}});
    QVERIFY2(started, qPrintable(started ? QString() : started.error()));

    const auto outcomeOf = [plugin](const QByteArray &content) -> std::optional<Outcome> {
        Download download;
        download.metadata.filename = QStringLiteral("download.txt");
        const std::unique_ptr<Inspection> inspection(plugin->intercept(download).value_or(nullptr));
        QSignalSpy decided(inspection.get(), &Inspection::decided);
        inspection->write(content);
        inspection->finish();
        if (decided.isEmpty() && !decided.wait(patienceMs))
            return std::nullopt;
        return inspection->outcome();
    };
    const auto threat = outcomeOf(eicar());
    QVERIFY(threat);
    QCOMPARE(threat->result.verdict(), Verdict::Malicious);
    QCOMPARE(threat->disposition, Disposition::Quarantine);
    QCOMPARE(threat->result.findings().front().rule, QStringLiteral("EICAR_Test_File"));

    const auto clean = outcomeOf("nothing to be found");
    QVERIFY(clean);
    QCOMPARE(clean->result.verdict(), Verdict::Clean);
    QCOMPARE(clean->disposition, Disposition::Release);
    QCOMPARE(plugin->telemetry().totalScansCompleted, quint64(2));

    QVERIFY(loader.unload()); // deletes the plugin
}

void PluginTest::module_loaded_namesItsInterface()
{
    const QPluginLoader loader(QStringLiteral(SENTINEL_PLUGIN_PATH));
    QCOMPARE(loader.metaData().value(QStringLiteral("IID")).toString(),
        QString::fromLatin1(qobject_interface_iid<RequestServerPlugin *>()));
}

void PluginTest::start_secondTime_fails()
{
    SecurityTapPlugin plugin;
    const QVariantMap settings{{QStringLiteral("rules"), houseRules}};
    QVERIFY(plugin.start(settings));
    SecurityTap *const first = plugin.tap();
    QVERIFY(!plugin.start(settings));
    QCOMPARE(plugin.tap(), first);
}

void PluginTest::start_badSetting_isNamed_data()
{
    QTest::addColumn<QString>("key");
    QTest::addColumn<QVariant>("value");

    const auto row = [](const char *title, const char *key, const QVariant &value) {
        QTest::newRow(title) << QString::fromLatin1(key) << value;
    };
    row("unknown", "colour", true);
    row("other case", "Workers", 2);
    row("rules: number", "rules", 5);
    row("rules: list of numbers", "rules", QVariantList{1, 2});
    row("failClosed: text", "failClosed", QStringLiteral("true"));
    row("failClosed: number", "failClosed", 1);
    row("failClosed: nothing", "failClosed", QVariant());
    row("blockSuspicious: number", "blockSuspicious", 0);
    row("skipBadRuleFiles: text", "skipBadRuleFiles", QStringLiteral("no"));
    row("reasons: unknown", "failClosedReasons", QStringList{QStringLiteral("Whatever")});
    row("reasons: none", "failClosedReasons", QStringList{QStringLiteral("None")});
    row("reasons: bool", "failClosedReasons", true);
    row("malicious: released", "malicious", QStringLiteral("release"));
    row("malicious: nonsense", "malicious", QStringLiteral("drop"));
    row("malicious: bool", "malicious", true);
    row("suspicious: nonsense", "suspicious", QStringLiteral(""));
    row("suspicious: two", "suspicious",
        QStringList{QStringLiteral("block"), QStringLiteral("warn")});
    row("policyClauses: bad", "policyClauses",
        QStringList{QStringLiteral("block if type=text"), QStringLiteral("block")});
    row("policyClauses: number", "policyClauses", 1);
    row("policyClauses: too many", "policyClauses",
        QStringList(Limits::maxPolicyClauses + 1, QStringLiteral("block if type=text")));
    row("holdMs: zero", "holdMs", 0);
    row("holdMs: long", "holdMs", 600'001);
    row("maxScanBytes: zero", "maxScanBytes", 0);
    row("maxScanBytes: negative", "maxScanBytes", -1);
    row("maxScanBytes: text", "maxScanBytes", QStringLiteral("100"));
    row("maxScanBytes: fraction", "maxScanBytes", 1.5);
    row("maxScanBytes: not a number", "maxScanBytes", qQNaN());
    row("maxScanBytes: infinite", "maxScanBytes", qInf());
    row("maxScanBytes: huge", "maxScanBytes", std::numeric_limits<quint64>::max());
    row("workers: zero", "workers", 0);
    row("workers: many", "workers", 257);
    row("queueRequests: zero", "queueRequests", 0);
    row("queueRequests: many", "queueRequests", 1'000'001);
    row("queueBytes: zero", "queueBytes", 0);
    row("timeoutLeastMs: zero", "timeoutLeastMs", 0);
    row("timeoutLeastMs: above the most", "timeoutLeastMs", 60'001);
    row("timeoutMostMs: more than a day", "timeoutMostMs", 24 * 60 * 60 * 1000 + 1);
    row("cache: number", "cache", 1);
    row("cacheEntries: zero", "cacheEntries", 0);
    row("cacheTimeToLiveMs: zero", "cacheTimeToLiveMs", 0);
    row("maxSpoolBytes: zero", "maxSpoolBytes", 0);
    row("maxSpoolMemoryBytes: bool", "maxSpoolMemoryBytes", true);
    row("spoolDirectory: missing", "spoolDirectory", QStringLiteral("/no/such/directory"));
    row("spoolDirectory: empty", "spoolDirectory", QString());
    row("spoolDirectory: a file", "spoolDirectory", houseRules + QStringLiteral("/eicar.yar"));
    row("spoolDirectory: number", "spoolDirectory", 7);
}

void PluginTest::start_badSetting_isNamed()
{
    QFETCH(QString, key);
    QFETCH(QVariant, value);
    SecurityTapPlugin plugin;
    const auto started = plugin.start({{QStringLiteral("rules"), houseRules}, {key, value}});
    QVERIFY(!started);
    QVERIFY2(started.error().contains(QLatin1Char('"') + key + QLatin1Char('"')),
        qPrintable(started.error()));
    QCOMPARE(plugin.errorString(), started.error());
    QVERIFY(!plugin.tap());
}

void PluginTest::start_everySetting_isTaken()
{
    const QTemporaryDir spools;
    SecurityTapPlugin plugin;
    const auto started = plugin.start({
        {QStringLiteral("rules"), QStringList{houseRules}},
        {QStringLiteral("skipBadRuleFiles"), true},
        {QStringLiteral("failClosed"), false},
        {QStringLiteral("failClosedReasons"),
            QStringList{QStringLiteral("QueueFull"), QStringLiteral("TimedOut")}},
        {QStringLiteral("blockSuspicious"), false},
        {QStringLiteral("malicious"), QStringLiteral("warn")},
        {QStringLiteral("policyClauses"),
            QStringList{
                QStringLiteral("block if type=script"), QStringLiteral("Warn if type=archive")}},
        {QStringLiteral("holdMs"), 2000},
        {QStringLiteral("maxScanBytes"), 1000},
        {QStringLiteral("workers"), 2u},
        {QStringLiteral("queueRequests"), 3},
        {QStringLiteral("queueBytes"), qint64(4000)},
        {QStringLiteral("timeoutLeastMs"), 5},
        {QStringLiteral("timeoutMostMs"), quint64(600)},
        {QStringLiteral("cache"), false},
        {QStringLiteral("cacheEntries"), 7},
        {QStringLiteral("cacheTimeToLiveMs"), 8},
        {QStringLiteral("spoolDirectory"), spools.path()},
        {QStringLiteral("maxSpoolBytes"), 9000},
        {QStringLiteral("maxSpoolMemoryBytes"), 10000},
    });
    QVERIFY2(started, qPrintable(started ? QString() : started.error()));

    const TapSettings &settings = plugin.tap()->settings();
    QCOMPARE(settings.rulePaths, QStringList{houseRules});
    QVERIFY(settings.rules.badFiles == BadRuleFiles::Skip);
    for (const Reason reason : allReasons) {
        const bool isBlocked = reason == Reason::QueueFull || reason == Reason::TimedOut;
        QCOMPARE(settings.policy.forReason(reason) == Disposition::Block, isBlocked);
    }
    QCOMPARE(settings.policy.suspicious, Disposition::Release);
    QCOMPARE(settings.policy.malicious, Disposition::Warn);
    QCOMPARE(settings.policy.clauses.size(), size_t(2));
    QCOMPARE(settings.policy.clauses[1].toString(), QStringLiteral("warn if type=archive"));
    QVERIFY(settings.policy.hold == std::chrono::seconds(2));
    QCOMPARE(settings.scanning.maxScanBytes, 1000);
    QCOMPARE(settings.scanning.timeouts.largestBytes, 1000);
    QCOMPARE(settings.scanning.workers.maxWorkers, 2);
    QCOMPARE(settings.scanning.queue.maxRequests, 3);
    QCOMPARE(settings.scanning.queue.maxBytes, 4000);
    QVERIFY(settings.scanning.timeouts.least == std::chrono::milliseconds(5));
    QVERIFY(settings.scanning.timeouts.most == std::chrono::milliseconds(600));
    QVERIFY(!settings.scanning.cache.enabled);
    QCOMPARE(settings.scanning.cache.maxEntries, 7);
    QVERIFY(settings.scanning.cache.timeToLive == std::chrono::milliseconds(8));
    QCOMPARE(settings.spoolDirectory, spools.path());
    QCOMPARE(settings.maxSpoolBytes, 9000);
    QCOMPARE(settings.maxSpoolMemoryBytes, 10000);
}

void PluginTest::start_settingsFromJson_areTaken()
{
    const QByteArray json = R"({"rules": [")" + houseRules.toUtf8()
        + R"("], "workers": 2, "maxScanBytes": 5e6, "failClosedReasons": ["TooLarge"]})";
    const auto settings = tapSettings(QJsonDocument::fromJson(json).object().toVariantMap());
    QVERIFY2(settings, qPrintable(settings ? QString() : settings.error()));
    QCOMPARE(settings->rulePaths, QStringList{houseRules});
    QCOMPARE(settings->scanning.workers.maxWorkers, 2);
    QCOMPARE(settings->scanning.maxScanBytes, 5'000'000);
    QCOMPARE(settings->policy.forReason(Reason::TooLarge), Disposition::Block);
}

void PluginTest::start_failClosed_blocksEveryReason()
{
    const auto settings = tapSettings({{QStringLiteral("failClosed"), true}});
    QVERIFY(settings);
    QVERIFY(settings->policy == Policy::failClosed());
}

void PluginTest::start_defaultTimeout_givesWayToShorterMost()
{
    const auto settings = tapSettings({{QStringLiteral("timeoutMostMs"), 100}});
    QVERIFY(settings);
    QVERIFY(settings->scanning.timeouts.least == std::chrono::milliseconds(100));
}

void PluginTest::start_badRules_areNamed()
{
    const QTemporaryDir directory;
    QFile rules(directory.filePath(QStringLiteral("broken.yar")));
    QVERIFY(rules.open(QIODevice::WriteOnly));
    rules.write("rule Broken { condition: nonsense }");
    rules.close();
    SecurityTapPlugin plugin;
    const auto started = plugin.start({{QStringLiteral("rules"), rules.fileName()}});
    QVERIFY(!started);
    QVERIFY2(started.error().contains(QStringLiteral("broken.yar")), qPrintable(started.error()));

    TapSettings settings;
    settings.rulePaths = QStringList{rules.fileName()};
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("cannot start")));
    const SecurityTapPlugin inProcess(settings);
    QVERIFY(!inProcess.tap());
    QCOMPARE(inProcess.errorString(), started.error());
}

void PluginTest::plugin_notStarted_passesWithAWarning()
{
    SecurityTapPlugin plugin;
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("uninspected")));
    const auto intercepted = plugin.intercept({});
    QVERIFY(intercepted.has_value());
    QVERIFY(!*intercepted);
    plugin.connectionClosed(1);
    QCOMPARE(plugin.telemetry().workers, 0);
}

void PluginTest::plugin_startFailed_doesAsItsPolicySays_data()
{
    QTest::addColumn<QVariantMap>("settings");
    QTest::addColumn<bool>("isRefused");
    const QString rules = QStringLiteral("rules");
    const QString noRules = QStringLiteral("/no/such/rules");
    const QString reasons = QStringLiteral("failClosedReasons");
    QTest::newRow("fail open") << QVariantMap{{rules, noRules}} << false;
    QTest::newRow("fail closed") << QVariantMap{{rules, noRules},
        {QStringLiteral("failClosed"), true}}
                                 << true;
    QTest::newRow("fail closed for this")
        << QVariantMap{{rules, noRules}, {reasons, QStringLiteral("ScannerUnavailable")}} << true;
    QTest::newRow("fail closed for another")
        << QVariantMap{{rules, noRules}, {reasons, QStringLiteral("QueueFull")}} << false;
    const QString clauses = QStringLiteral("policyClauses");
    const QString here = QStringLiteral("block if origin=http://example.org");
    QTest::newRow("clause for it") << QVariantMap{{rules, noRules}, {clauses, here}} << true;
    QTest::newRow("clause for another")
        << QVariantMap{{rules, noRules}, {clauses, QStringLiteral("block if origin=file:")}}
        << false;
    QTest::newRow("warns, and nobody can ask")
        << QVariantMap{{rules, noRules}, {clauses, QStringLiteral("warn if size>=0B")}} << true;
    QTest::newRow("policy unknown") << QVariantMap{{QStringLiteral("failclosed"), true}} << true;
}

void PluginTest::plugin_startFailed_doesAsItsPolicySays()
{
    QFETCH(QVariantMap, settings);
    QFETCH(bool, isRefused);
    SecurityTapPlugin plugin;
    QVERIFY(!plugin.start(settings));
    Download download;
    download.metadata.url = QUrl(QStringLiteral("http://example.org/named"));
    QTest::ignoreMessage(QtWarningMsg,
        QRegularExpression(
            isRefused ? QStringLiteral("refused.*/named") : QStringLiteral("uninspected.*/named")));
    const auto intercepted = plugin.intercept(download);
    QCOMPARE(intercepted.has_value(), !isRefused);
    if (isRefused)
        QVERIFY(!intercepted.error().isEmpty());
    else
        QVERIFY(!*intercepted);
    // Another start may succeed.
    QVERIFY(plugin.start({{QStringLiteral("rules"), houseRules}}));
    QVERIFY(plugin.intercept(download).value_or(nullptr));
}

void PluginTest::plugin_destroyed_decidesWhatIsUnderWay()
{
    auto plugin = std::make_unique<SecurityTapPlugin>();
    QVERIFY(plugin->start({{QStringLiteral("rules"), houseRules}}));
    Inspection *inspection = plugin->intercept({}).value_or(nullptr);
    QVERIFY(inspection);
    QVERIFY(inspection->write(QByteArrayView("half")));
    std::optional<Outcome> outcome;
    bool isRefused = false;
    connect(inspection, &Inspection::decided, this, [&](const Outcome &decided) {
        outcome = decided;
        isRefused = !plugin->intercept({}); // a slot may ask for more
    });
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("without a clean")));
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("refused")));
    delete plugin.get(); // while the pointer still shows it, for the slot
    (void)plugin.release();
    QVERIFY(outcome);
    QCOMPARE(outcome->result.reason(), Reason::ScannerUnavailable);
    QVERIFY(isRefused);
}

void PluginTest::connectionClosed_cancelsItsInspectionsOnly()
{
    SecurityTapPlugin plugin;
    QVERIFY(plugin.start({{QStringLiteral("rules"), houseRules}}));
    Download download;
    download.connection = 7;
    Inspection *closed = plugin.intercept(download).value_or(nullptr);
    download.connection = 8;
    Inspection *other = plugin.intercept(download).value_or(nullptr);
    plugin.connectionClosed(7);
    QVERIFY(closed->outcome());
    QCOMPARE(closed->outcome()->result.reason(), Reason::Cancelled);
    QVERIFY(!other->outcome());
}

QTEST_GUILESS_MAIN(PluginTest)
#include "tst_plugin.moc"
