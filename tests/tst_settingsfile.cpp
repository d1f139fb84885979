// SPDX-License-Identifier: MIT
//
// Settings of the program: texts of values, files good and bad, layers, and what becomes of a key.
#include "SecurityTap/text/ByteSize.h"
#include "SecurityTap/text/DurationText.h"
#include "Sentinel/Limits.h"
#include "Sentinel/settings/BrokerSettings.h"
#include "Sentinel/settings/NearestName.h"
#include "Sentinel/settings/SettingKeys.h"
#include "Sentinel/settings/SettingsInForce.h"
#include "Sentinel/settings/SettingsText.h"
#include "Sentinel/settings/TomlText.h"
#include "tests/support/CliRun.h"
#include "tests/support/Slowness.h"

#include <QRandomGenerator>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QTest>

#include <limits>

#include <sys/stat.h>
#include <unistd.h>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

using Layer = SettingsInForce::Layer;

SettingsFile fileOf(const QByteArray &text)
{
    return {"/etc/x.toml"_L, text};
}

QByteArray told(const SettingsProblems &problems)
{
    QByteArray all;
    for (const SettingsProblem &problem : problems)
        all += describe(problem).toUtf8() + '\n';
    return all;
}

SettingsProblems problemsOf(const QByteArray &text)
{
    const auto written = parseSettings(text, "f"_L);
    return written ? SettingsProblems() : written.error();
}

SettingsInForce inForce(const QByteArray &text)
{
    SettingsInForce settings;
    auto good = settings.addFile(fileOf(text));
    if (good)
        good = settings.settle();
    if (!good)
        qFatal("%s is not good: %s", text.constData(), told(good.error()).constData());
    return settings;
}

//! A file that sets \p key to \p value, as TOML, and nothing else.
QByteArray setting(const SettingKey &key, const QString &value)
{
    return "%1 = %2\n"_L.arg(QLatin1StringView(key.name), value).toUtf8();
}

template <typename Setting>
bool isA(const SettingKey &key)
{
    return std::holds_alternative<SettingKey::Place<Setting>>(key.place);
}

bool isAmount(const SettingKey &key)
{
    return isA<int>(key) || isA<qint64>(key) || isA<std::chrono::milliseconds>(key);
}

//! Of accounts, of which "relative" may be one.
bool isOfNames(const SettingKey &key)
{
    return QLatin1StringView(key.form).contains("a name or number"_L)
        || QLatin1StringView(key.form).contains("list of names"_L);
}

//! A value that is good and not the default.
SettingValue otherValue(const SettingKey &key)
{
    const SettingValue usual = key.valueIn(ProgramSettings());
    if (const auto *isOn = std::get_if<bool>(&usual))
        return !*isOn;
    if (!key.choices.empty())
        return qint64(std::get<qint64>(usual) == 1 ? 2 : 1);
    if (isAmount(key)) {
        // Odd, and one that goes with the defaults of all others.
        const qint64 number = std::get<qint64>(usual);
        return key.openDefault ? 64 : number < 3 ? number + 1 : number - 1;
    }
    if (isOfNames(key))
        return isA<QString>(key) ? SettingValue("one"_L)
                                 : SettingValue(QStringList{"one"_L, "2"_L});
    if (isA<QString>(key))
        return "/x/y"_L;
    if (QLatin1StringView(key.name) == "policy.clauses"_L)
        return QStringList{"warn if type=archive size<10MiB"_L, "block if type=script"_L};
    return QLatin1StringView(key.name) == "clamd.types"_L ? QStringList{"archive"_L, "media"_L}
                                                          : QStringList{"/x"_L, "/y"_L};
}

//! Every key set to a value that is not its default.
QByteArray fullFile()
{
    QByteArray text;
    for (const SettingKey *key : settingKeys())
        text += setting(*key, key->toToml(otherValue(*key)));
    return text;
}

QByteArray contentOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

void addKeyRows()
{
    QTest::addColumn<QString>("name");
    for (const SettingKey *key : settingKeys())
        QTest::newRow(key->name) << QString::fromLatin1(key->name);
}

//! An environment variable for the time of a test.
class Variable {
public:
    Variable(const char *name, const QByteArray &value) : m_name(name), m_old(qgetenv(name))
    {
        if (value.isNull())
            qunsetenv(name);
        else
            qputenv(name, value);
    }
    ~Variable()
    {
        if (m_old.isNull())
            qunsetenv(m_name);
        else
            qputenv(m_name, m_old);
    }
    Q_DISABLE_COPY_MOVE(Variable)

private:
    const char *const m_name;
    const QByteArray m_old;
};

} // namespace

class TestSettingsFile : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void byteSize_text_isExact_data();
    void byteSize_text_isExact();
    void duration_text_isExact_data();
    void duration_text_isExact();
    void amounts_written_areReadAgain();
    void nearestName_slips_areFound_data();
    void nearestName_slips_areFound();

    void keys_table_isSound();
    void key_bounds_hold_data();
    void key_bounds_hold();
    void key_wrongType_saysWhatIsAllowed_data();
    void key_wrongType_saysWhatIsAllowed();
    void key_other_arrives_data();
    void key_other_arrives();

    void file_bad_saysWhereAndWhat_data();
    void file_bad_saysWhereAndWhat();
    void file_manyProblems_areToldInOrderAndCounted();
    void file_anyProblem_changesNothing();
    void file_odd_isGood_data();
    void file_odd_isGood();
    void file_nested_doesNotCrash_data();
    void file_nested_doesNotCrash();
    void file_mutated_isGoodOrSaysWhy();

    void place_odd_saysWhy_data();
    void place_odd_saysWhy();
    void place_bound_holds();
    void place_found_isTheFirst();

    void preset_values_data();
    void preset_values();
    void layers_each_winsOverThoseBefore();
    void layers_contradiction_theLowerGivesWay();
    void layers_contradictionInTheFile_isAnError();
    void open_values_areFilledIn();

    void show_anything_isReadAgain();
    void example_uncommented_isTheDefaults();
    void documentation_everyKey_isThere();
};

void TestSettingsFile::byteSize_text_isExact_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<qint64>("bytes"); // -1: refused
    QTest::newRow("bytes") << "0 B"_L << qint64(0);
    QTest::newRow("KiB") << "3 KiB"_L << qint64(3072);
    QTest::newRow("close") << "100MiB"_L << 100 * Limits::mib;
    QTest::newRow("GiB") << "2 GiB"_L << 2 * Limits::gib;
    QTest::newRow("TiB") << "1 TiB"_L << 1024 * Limits::gib;
    QTest::newRow("zeros") << "007 B"_L << qint64(7);
    QTest::newRow("largest") << "9223372036854775807 B"_L << std::numeric_limits<qint64>::max();
    for (const char *bad : {"", " ", "B", "MiB", "5", "5 ", " 5 B", "5  B", "5 B ", "-5 B", "+5 B",
             "5.0 MiB", "5,000 B", "5 mib", "5 MB", "5 M", "5 KB", "0x5 B", "1e3 B", "5\tB",
             "9223372036854775808 B", "9007199254740993 KiB", "99999999999999999999999 TiB",
             "5 B B", "\xd9\xa5 B", "\xef\xbc\x95 B", "5 \xce\x92"})
        QTest::newRow(bad) << QString::fromUtf8(bad) << qint64(-1);
}

void TestSettingsFile::byteSize_text_isExact()
{
    QFETCH(QString, text);
    QFETCH(qint64, bytes);
    QCOMPARE(byteSizeOf(text).value_or(-1), bytes);
}

void TestSettingsFile::duration_text_isExact_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<qint64>("milliseconds"); // -1: refused
    QTest::newRow("ms") << "500 ms"_L << qint64(500);
    QTest::newRow("s") << "60 s"_L << qint64(60'000);
    QTest::newRow("close") << "90s"_L << qint64(90'000);
    QTest::newRow("min") << "2 min"_L << qint64(120'000);
    QTest::newRow("h") << "24 h"_L << qint64(86'400'000);
    for (const char *bad : {"", "5", "s", "5 sec", "5 m", "5 M", "5 S", "1.5 s", "-1 s", "1 d",
             "1 h 5 min", "9223372036854775807 s", "5 \xc2\xb5s", "1_000 ms"})
        QTest::newRow(bad) << QString::fromUtf8(bad) << qint64(-1);
}

void TestSettingsFile::duration_text_isExact()
{
    QFETCH(QString, text);
    QFETCH(qint64, milliseconds);
    const auto read = durationOf(text);
    QCOMPARE(read ? qint64(read->count()) : -1, milliseconds);
}

void TestSettingsFile::amounts_written_areReadAgain()
{
    QRandomGenerator random(1);
    for (int i = 0; i < 5'000; ++i) {
        const qint64 amount = qint64(random.generate64() >> 1) >> random.bounded(62);
        QCOMPARE(byteSizeOf(byteSizeText(amount)).value_or(-1), amount);
        const std::chrono::milliseconds time(amount);
        QVERIFY(durationOf(durationText(time)) == time);
    }
    QCOMPARE(byteSizeText(0), "0 B"_L);
    QCOMPARE(byteSizeText(100 * Limits::mib), "100 MiB"_L);
    QCOMPARE(byteSizeText(1025), "1025 B"_L);
    QCOMPARE(durationText(std::chrono::seconds(60)), "60 s"_L);
    QCOMPARE(durationText(std::chrono::seconds(90)), "90 s"_L);
    QCOMPARE(durationText(std::chrono::minutes(60)), "1 h"_L);
    QCOMPARE(durationText(std::chrono::milliseconds(1500)), "1500 ms"_L);
}

void TestSettingsFile::nearestName_slips_areFound_data()
{
    QTest::addColumn<QString>("written");
    QTest::addColumn<QString>("meant");
    QTest::newRow("a letter less") << "scan.workrs"_L
                                   << "scan.workers"_L;
    QTest::newRow("a letter more") << "scan.workerss"_L
                                   << "scan.workers"_L;
    QTest::newRow("another letter") << "scan.warkers"_L
                                    << "scan.workers"_L;
    QTest::newRow("underscore") << "scan.max_size"_L
                                << "scan.max-size"_L;
    QTest::newRow("case") << "Scan.Max-Size"_L
                          << "scan.max-size"_L;
    QTest::newRow("section left out") << "queue"_L
                                      << "scan.queue"_L;
    QTest::newRow("wrong section") << "cache.timeout-large"_L
                                   << "scan.timeout-large"_L;
    QTest::newRow("nothing like it") << "proxy.password"_L << QString();
    QTest::newRow("empty") << QString() << QString();
    QTest::newRow("huge") << QString(100'000, u'a') << QString();
}

void TestSettingsFile::nearestName_slips_areFound()
{
    QFETCH(QString, written);
    QFETCH(QString, meant);
    QStringList names;
    for (const SettingKey *key : settingKeys())
        names.append(QString::fromLatin1(key->name));
    QCOMPARE(nearestName(written, names), meant);
}

//! What a table of keys has to be, whoever writes one.
void TestSettingsFile::keys_table_isSound()
{
    const ProgramSettings defaults;
    QStringList names;
    for (const SettingKey *key : settingKeys()) {
        const QString name = QString::fromLatin1(key->name);
        static const QRegularExpression form("^([a-z]+\\.)?[a-z]+(-[a-z]+)*$"_L);
        QVERIFY2(form.match(name).hasMatch(), key->name);
        QVERIFY2(!names.contains(name), key->name);
        names.append(name);
        QCOMPARE(findKey(name), key);
        QVERIFY2(qstrlen(key->help) > 0 && !strchr(key->help, '\n'), key->name);
        if (isAmount(*key))
            QVERIFY2(key->least <= key->most && key->most > 0, key->name);
        else if (isA<QString>(*key) || isA<QStringList>(*key))
            QVERIFY2(key->form && key->most > 0, key->name);
        // The default is a value that a file may have.
        const SettingValue usual = key->valueIn(defaults);
        QVERIFY2(problemsOf(setting(*key, key->toToml(usual))).empty(), key->name);
        ProgramSettings changed;
        key->set(changed, otherValue(*key));
        QVERIFY2(key->valueIn(changed) == otherValue(*key), key->name);
    }
    QVERIFY(!findKey("scan"_L) && !findKey(QString()) && !findKey("scan."_L));
    for (const KeyOrder &order : keyOrders())
        QVERIFY(
            findKey(QString::fromLatin1(order.lower)) && findKey(QString::fromLatin1(order.upper)));
    // Choices stand in the order of their enumerations.
    QCOMPARE(findKey("rules.unrated"_L)->toToml(qint64(Severity::Suspicious)), "\"suspicious\""_L);
    for (const Isolation one : {Isolation::InProcess, Isolation::Spawned, Isolation::System})
        QCOMPARE(findKey("scan.isolation"_L)->toToml(qint64(one)), tomlText(nameOf(one)));
    QCOMPARE(findKey("preset"_L)->toToml(qint64(Preset::RaspberryPi)), "\"raspberry-pi\""_L);
    for (const Disposition one : allDispositions)
        QCOMPARE(
            findKey("policy.suspicious"_L)->toToml(qint64(one)), tomlText(nameOf(one).toLower()));
    // There is one for each reason under which there is something to decide.
    for (const QString &name : names.filter("policy.on-"_L))
        QVERIFY(reasonNamed(QString(name).remove("policy.on-"_L).remove(u'-')));
    QCOMPARE(names.filter("policy.on-"_L).size(),
        std::ranges::count_if(allReasons, &isReleasable) - 1); // without None
}

void TestSettingsFile::key_bounds_hold_data()
{
    addKeyRows();
}

void TestSettingsFile::key_bounds_hold()
{
    QFETCH(QString, name);
    const SettingKey &key = *findKey(name);
    const auto isGood = [&key](const SettingValue &value) {
        const auto written = parseSettings(setting(key, key.toToml(value)), "f"_L);
        return written && written->size() == 1 && written->front().value == value;
    };
    const auto refusal = [&key](const QString &value) {
        const SettingsProblems problems = problemsOf(setting(key, value));
        return problems.size() == 1 && problems[0].key == QLatin1StringView(key.name)
                && problems[0].line == 1
            ? problems[0].text
            : QString();
    };
    if (isAmount(key)) {
        QVERIFY(isGood(key.least));
        QVERIFY(isGood(key.most));
        QVERIFY(refusal(key.toToml(key.most + 1)).contains(key.bounds()));
        if (key.least > 0)
            QVERIFY(refusal(key.toToml(key.least - 1)).contains(key.bounds()));
        QVERIFY(!refusal("-1"_L).isEmpty());
        QVERIFY(!refusal("9223372036854775807"_L).isEmpty());
        QVERIFY(!refusal("9223372036854775808"_L.prepend(u'"').append(u'"')).isEmpty());
    } else if (!key.choices.empty()) {
        for (size_t i = 0; i < key.choices.size(); ++i) {
            const auto wrong = key.check ? key.check(qint64(i)) : std::nullopt;
            QVERIFY(wrong ? refusal(key.toToml(qint64(i))) == *wrong : isGood(qint64(i)));
        }
        QVERIFY(refusal("\"\""_L).contains(key.bounds()));
        QVERIFY(refusal("\"nonsense\""_L).contains(key.bounds()));
        QVERIFY(!refusal(tomlText(QString::fromLatin1(key.choices[0]).toUpper())).isEmpty());
    } else if (isA<bool>(key)) {
        QVERIFY(isGood(true) && isGood(false));
        QVERIFY(refusal("\"true\""_L).contains(key.bounds()));
        QVERIFY(!refusal("0"_L).isEmpty());
    } else if (isA<QString>(key)) {
        QVERIFY(isGood(QString(u'/' + QString(key.most - 1, u'x'))));
        QVERIFY(refusal(tomlText(u'/' + QString(key.most, u'x'))).contains(key.bounds()));
        if (!isOfNames(key))
            QVERIFY(!refusal(tomlText("relative"_L)).isEmpty());
        QVERIFY(!refusal("\"/a\\u0000b\""_L).isEmpty());
    } else {
        const QString good = std::get<QStringList>(otherValue(key)).first();
        QVERIFY(isGood(QStringList()));
        QVERIFY(isGood(QStringList(key.most, good)));
        QVERIFY(!refusal(key.toToml(QStringList(key.most + 1, good))).isEmpty());
        if (key.check) {
            const QString bad = isOfNames(key) ? "a b"_L : "relative"_L;
            QVERIFY(refusal(key.toToml(QStringList{good, bad})).contains(bad));
            QVERIFY(!refusal(key.toToml(QStringList{good, QString()})).isEmpty());
        }
        QVERIFY(!refusal("[\"/x\", 1]"_L).isEmpty());
        QVERIFY(!refusal("[[\"/x\"]]"_L).isEmpty());
        QVERIFY(!refusal("\"/x\""_L).isEmpty());
    }
}

void TestSettingsFile::key_wrongType_saysWhatIsAllowed_data()
{
    addKeyRows();
}

void TestSettingsFile::key_wrongType_saysWhatIsAllowed()
{
    QFETCH(QString, name);
    const SettingKey &key = *findKey(name);
    const QStringList samples{"true"_L, "1"_L, "\"100 MiB\""_L, "\"1 s\""_L, "1.0"_L, "nan"_L,
        "1979-05-27"_L, "07:32:00"_L, "1979-05-27T07:32:00Z"_L, "{}"_L, "{a = 1}"_L, "[{}]"_L,
        "[1]"_L, "[1.5, true]"_L, "[\"/x\"]"_L, "[]"_L};
    int accepted = 0;
    for (const QString &sample : samples) {
        const SettingsProblems problems = problemsOf(setting(key, sample));
        if (problems.empty()) {
            ++accepted;
            continue;
        }
        QCOMPARE(problems.size(), size_t(1));
        QCOMPARE(problems[0].key, name);
        QCOMPARE(problems[0].line, 1);
        QVERIFY2(problems[0].column > 0 && problems[0].column <= name.size() + 4,
            told(problems).constData());
        QVERIFY2(problems[0].text.contains(key.bounds()) || problems[0].text.contains("within"_L)
                || problems[0].text.contains("absolute"_L) || key.check,
            told(problems).constData());
    }
    // A size may be a number, too; a list may be empty. Of all else one form is right, at most.
    QVERIFY2(accepted <= 2, qPrintable(QString::number(accepted)));
}

void TestSettingsFile::key_other_arrives_data()
{
    addKeyRows();
}

//! Every key arrives where it is used. A new key needs a line here; those that only a whole command
//! can show are in tst_cli_config.
void TestSettingsFile::key_other_arrives()
{
    QFETCH(QString, name);
    using Arrived = std::function<SettingValue(const ProgramSettings &)>;
    const auto broker = [](auto find) -> Arrived {
        return [find](const ProgramSettings &settings) -> SettingValue {
            return find(brokerSettings(settings, "/bin/sentinel"));
        };
    };
    std::map<QString, Arrived> places{
        {"preset"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(
                    all.scanning.queue.maxRequests == 100 ? Preset::Default : Preset::None);
            }},
        {"rules.paths"_L, broker([](const auto &it) { return it.rules.fleet.rules.paths; })},
        {"rules.skip-bad"_L, broker([](const auto &it) {
             return it.rules.fleet.rules.options.badFiles == BadRuleFiles::Skip;
         })},
        {"rules.unrated"_L, broker([](const auto &it) {
             return qint64(it.rules.fleet.rules.options.unratedSeverity);
         })},
        {"scan.isolation"_L,
            [](const ProgramSettings &all) -> SettingValue { return qint64(all.isolation); }},
        {"scan.workers"_L,
            broker([](const auto &it) { return qint64(it.scanning.workers.maxWorkers); })},
        {"scan.least-workers"_L,
            broker([](const auto &it) { return qint64(it.scanning.workers.minWorkers); })},
        {"scan.idle-time"_L,
            broker([](const auto &it) { return qint64(it.scanning.workers.idleTime.count()); })},
        {"scan.slice"_L,
            broker([](const auto &it) { return qint64(it.scanning.workers.slice.count()); })},
        {"scan.queue"_L,
            broker([](const auto &it) { return qint64(it.scanning.queue.maxRequests); })},
        {"scan.queue-bytes"_L, broker([](const auto &it) { return it.scanning.queue.maxBytes; })},
        {"scan.timeout-small"_L,
            broker([](const auto &it) { return qint64(it.scanning.timeouts.least.count()); })},
        {"scan.timeout-large"_L,
            broker([](const auto &it) { return qint64(it.scanning.timeouts.most.count()); })},
        {"scan.max-size"_L, broker([](const auto &it) {
             return it.scanning.maxScanBytes == it.rules.fleet.rules.maxScanBytes
                 ? it.scanning.maxScanBytes
                 : -1;
         })},
        {"cache.enabled"_L, broker([](const auto &it) { return it.scanning.cache.enabled; })},
        {"cache.entries"_L,
            broker([](const auto &it) { return qint64(it.scanning.cache.maxEntries); })},
        {"cache.time-to-live"_L,
            broker([](const auto &it) { return qint64(it.scanning.cache.timeToLive.count()); })},
        {"workers.processes"_L,
            broker([](const auto &it) { return qint64(it.rules.fleet.maxWorkers); })},
        {"archives.enabled"_L,
            broker([](const auto &it) { return it.rules.fleet.rules.archives.enabled; })},
        {"archives.depth"_L, broker([](const auto &it) {
             return qint64(it.rules.fleet.rules.archives.limits.maxDepth);
         })},
        {"archives.members"_L, broker([](const auto &it) {
             return qint64(it.rules.fleet.rules.archives.limits.maxMembers);
         })},
        {"archives.member-size"_L, broker([](const auto &it) {
             return it.rules.fleet.rules.archives.limits.maxMemberBytes;
         })},
        {"archives.expanded-size"_L, broker([](const auto &it) {
             return it.rules.fleet.rules.archives.limits.maxExpandedBytes;
         })},
        {"archives.ratio"_L, broker([](const auto &it) {
             return qint64(it.rules.fleet.rules.archives.limits.maxRatio);
         })},
        {"archives.passwords"_L,
            broker([](const auto &it) { return it.rules.fleet.rules.archives.passwords; })},
        {"clamd.address"_L, broker([](const auto &it) {
             return it.clamd.clamd ? it.clamd.clamd->address.text() : QString();
         })},
        {"clamd.required"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamd.isRequired; }},
        {"clamd.types"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamd.types; }},
        {"clamd.connections"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.clamd.connections);
            }},
        {"clamd.acquire-timeout"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.clamd.acquireTimeout.count());
            }},
        {"clamd.max-age"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.clamd.maxAge.count());
            }},
        {"clamd.timeout"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.clamd.timeout.count());
            }},
        {"clamd.max-size"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamd.maxBytes; }},
        {"clamdserver.socket"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamdServer.socketPath; }},
        {"clamdserver.group"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamdServer.group; }},
        {"clamdserver.users"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamdServer.users; }},
        {"clamdserver.allow-reload"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.clamdServer.allowsReload;
            }},
        {"clamdserver.allow-shutdown"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.clamdServer.allowsShutdown;
            }},
        {"clamdserver.allow-paths"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.clamdServer.allowsPaths; }},
        {"audit.enabled"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.audit.enabled; }},
        {"audit.file-size"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.audit.maxFileBytes; }},
        {"audit.files"_L,
            [](const ProgramSettings &all) -> SettingValue { return qint64(all.audit.maxFiles); }},
        {"audit.system-log"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.audit.copiesToSystemLog; }},
        {"quarantine.items"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.custody().quarantine.items);
            }},
        {"quarantine.size"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.custody().quarantine.bytes;
            }},
        {"quarantine.item-size"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.custody().quarantine.itemBytes;
            }},
        {"quarantine.days"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.custody().quarantineAge / std::chrono::days(1));
            }},
        {"history.releases"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.custody().rescans.history.maxRecords);
            }},
        {"history.days"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.custody().rescans.history.maxAge / std::chrono::days(1));
            }},
        {"fetch.fail-closed"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.policy().notScanned == Policy::failClosed().notScanned;
            }},
        {"fetch.block-suspicious"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return all.policy().suspicious != Disposition::Release;
            }},
        {"policy.malicious"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.policy().malicious);
            }},
        {"policy.suspicious"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.policy().suspicious);
            }},
        {"policy.hold"_L,
            [](const ProgramSettings &all) -> SettingValue {
                return qint64(all.policy().hold.count());
            }},
        {"policy.clauses"_L,
            [](const ProgramSettings &all) -> SettingValue {
                QStringList texts;
                for (const PolicyClause &clause : all.policy().clauses)
                    texts.append(clause.toString());
                return texts;
            }},
        {"service.socket"_L,
            [](const ProgramSettings &all) -> SettingValue { return all.socketPath; }},
    };
    for (const Reason reason : allReasons) { // "policy.on-too-large"
        QString words = nameOf(reason);
        words.replace(QRegularExpression("([A-Z])"_L), "-\\1"_L);
        places["policy.on"_L + words.toLower()] = [reason](
                                                      const ProgramSettings &all) -> SettingValue {
            return qint64(all.policy().forReason(reason));
        };
    }
    QVERIFY2(places.contains(name), "a key of which nobody knows where it arrives");
    const SettingKey &key = *findKey(name);
    const SettingValue other = otherValue(key);
    const SettingsInForce settings = inForce(setting(key, key.toToml(other)));
    QVERIFY(places.at(name)(settings.values()) == other);
    QVERIFY(key.valueIn(settings.values()) == other);
    QVERIFY(settings.originOf(key).layer == Layer::File && settings.originOf(key).line == 1);
    if (name != "preset"_L)
        QVERIFY(places.at(name)(SettingsInForce().values().resolved()) != other);
}

void TestSettingsFile::file_bad_saysWhereAndWhat_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QByteArray>("line"); // as it begins
    const auto add = [](const char *name, const QByteArray &text, const char *line) {
        QTest::newRow(name) << text << QByteArray(line);
    };
    add("above", "[scan]\n\nworkers = 900\n", "f:3:11: scan.workers: 900 is not within 0 to 256");
    add("unknown key", "[scan]\nworkrs = 3",
        "f:2:1: scan.workrs: there is no such key; did you mean scan.workers?");
    add("unknown key at the top", "workers = 3",
        "f:1:1: workers: must be a section, [workers]; this is a number; did you mean "
        "scan.workers?");
    add("nothing like it", "[scan]\nproxy-password = 'x'",
        "f:2:1: scan.proxy-password: there is no such key");
    add("unknown section", "[scn]\nworkers = 3\nqueue = 1",
        "f:1:2: scn: there is no such section; did you mean scan?");
    add("section twice as deep", "[scan.scan]\nworkers = 3",
        "f:1:7: scan.scan: there is no such section");
    add("section as a value", "scan = 5",
        "f:1:1: scan: must be a section, [scan]; this is a number");
    add("section as a list", "[[scan]]\nworkers = 3",
        "f:1:3: scan: must be a section, [scan]; this is a list");
    add("key as a section", "[scan.workers]\nx = 1",
        "f:1:7: scan.workers: must be a number, 0 to 256; this is a section");
    add("key below a key", "scan.workers.x = 1",
        "f:1:6: scan.workers: must be a number, 0 to 256; this is a section");
    add("quoted key", "\"scan.workers\" = 3",
        "f:1:1: \"scan.workers\": there is no such key; did you mean scan.workers?");
    add("empty key", "\"\" = 3", "f:1:1: \"\": there is no such key");
    add("key with a line break", "\"a\\nb\" = 3", "f:1:1: a\nb: there is no such key");
    add("number for a time", "scan.timeout-large = 60",
        "f:1:22: scan.timeout-large: 60 is not a time such as \"500 ms\"");
    add("decimal unit", "scan.max-size = '100 MB'",
        "f:1:17: scan.max-size: \"100 MB\" is not a size such as \"100 MiB\" (B, KiB, MiB, GiB, "
        "TiB)");
    add("wrong preset", "preset = \"raspberrypi\"",
        "f:1:10: preset: \"raspberrypi\" is none of \"none\", \"default\", \"low-end\", "
        "\"raspberry-pi\", \"high-end\", \"server\"; did you mean \"raspberry-pi\"?");
    add("relative path", "rules.paths = ['rules']",
        "f:1:15: rules.paths: \"rules\" is not an absolute path");
    add("home", "rules.paths = ['~/rules']",
        "f:1:15: rules.paths: \"~/rules\" is not an absolute path");
    add("threat released", "policy.malicious = 'release'",
        "f:1:20: policy.malicious: a threat is released only by a clause that names Malicious");
    add("bad clause", "policy.clauses = [\n'block if type=text',\n'block if type=txt'\n]",
        "f:1:18: policy.clauses: clause 2: at 10: \"txt\" is no file type");
    add("one clause as a text", "policy.clauses = 'block if type=text'",
        "f:1:18: policy.clauses: must be a list of clauses such as \"warn if type=archive\"");
    add("key twice", "[scan]\nqueue = 1\nqueue = 2", "f:3:");
    add("section twice", "[scan]\nqueue = 1\n[scan]\nworkers = 2", "f:3:");
    add("no TOML", "[scan\nqueue = 1", "f:1:");
    add("no value", "[scan]\nqueue =\n", "f:2:");
    add("two on a line", "preset = 'server' scan.queue = 1", "f:1:");
    add("open text", "preset = 'server", "f:1:");
    add("open list", "rules.paths = ['/x'", "f:1:");
    add("number too large", "scan.queue = 99999999999999999999", "f:1:");
    add("JSON", "{\"scan\": {\"queue\": 1}}", "f:1:");
    add("YAML", "scan:\n  queue: 1\n", "f:1:");
    add("zero byte", QByteArray("preset = 'server'\n\0\n", 20), "f:2:");
    add("control character", "preset = 'ser\x1bver'", "f:1:");
    add("not UTF-8", "[scan]\n# \xff\n", "f:2: is not UTF-8");
    add("Latin 1", "# M\xfcller\n", "f:1: is not UTF-8");
    add("surrogate", "# \xed\xa0\x80\n", "f:1: is not UTF-8");
    add("overlong", "preset = '\xc0\xaf'", "f:1: is not UTF-8");
    add("cut off", "preset = '\xe2\x82", "f:1: is not UTF-8");
    add("UTF-16", QByteArray("\xff\xfep\0r\0e\0", 8), "f:1: is not UTF-8");
    add("too large", QByteArray(Limits::maxSettingsFileBytes + 1, '#'), "f: is larger than 1 MiB");
}

void TestSettingsFile::file_bad_saysWhereAndWhat()
{
    QFETCH(QByteArray, text);
    QFETCH(QByteArray, line);
    const SettingsProblems problems = problemsOf(text);
    QCOMPARE(problems.size(), size_t(1));
    QVERIFY2(told(problems).startsWith(line), told(problems).constData());
}

void TestSettingsFile::file_manyProblems_areToldInOrderAndCounted()
{
    // Sections and keys in an order that is not that of their names.
    const SettingsProblems four = problemsOf(
        "workers.processes = -1\ncache.entries = 0\nscan.queue = 0\nfetch.fail-closed = 1\n");
    QCOMPARE(four.size(), size_t(4));
    for (int i = 0; i < 4; ++i)
        QCOMPARE(four[size_t(i)].line, i + 1);

    QByteArray text;
    for (int i = 0; i < 2 * Limits::maxSettingsProblems; ++i)
        text += "x" + QByteArray::number(i) + " = 1\n";
    const SettingsProblems many = problemsOf(text);
    QCOMPARE(many.size(), size_t(Limits::maxSettingsProblems) + 1);
    QCOMPARE(many[size_t(Limits::maxSettingsProblems) - 1].line, Limits::maxSettingsProblems);
    QCOMPARE(describe(many.back()), "f: ... and 100 more"_L);
}

void TestSettingsFile::file_anyProblem_changesNothing()
{
    SettingsInForce settings;
    const auto added =
        settings.addFile(fileOf("preset = 'server'\n[scan]\nqueue = 7\nworkers = 'many'\n"));
    QVERIFY(!added && added.error().size() == 1);
    const ProgramSettings defaults;
    for (const SettingKey *key : settingKeys()) {
        QVERIFY2(key->valueIn(settings.values()) == key->valueIn(defaults), key->name);
        QVERIFY(settings.originOf(*key).layer == Layer::Default);
    }
    QCOMPARE(settings.filePath(), QString());
}

void TestSettingsFile::file_odd_isGood_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::newRow("a section") << QByteArray("[scan]\nqueue = 77\n");
    QTest::newRow("dots") << QByteArray("scan.queue = 77");
    QTest::newRow("a table in a line") << QByteArray("scan = {queue = 77}");
    QTest::newRow("quotes") << QByteArray("\"scan\".'queue' = 77");
    QTest::newRow("hexadecimal") << QByteArray("scan.queue = 0x4D");
    QTest::newRow("underscore") << QByteArray("scan.queue = 7_7");
    QTest::newRow("line ends of another system") << QByteArray("[scan]\r\nqueue = 77\r\n");
    QTest::newRow("byte order mark") << QByteArray("\xef\xbb\xbfscan.queue = 77");
    QTest::newRow("comments") << QByteArray("# \xe2\x82\xac\n[scan] # x\nqueue = 77 # = 78");
    QTest::newRow("empty sections") << QByteArray("[rules]\n[cache]\n[scan]\nqueue = 77\n[fetch]");
}

void TestSettingsFile::file_odd_isGood()
{
    QFETCH(QByteArray, text);
    QCOMPARE(inForce(text).values().scanning.queue.maxRequests, 77);
}

void TestSettingsFile::file_nested_doesNotCrash_data()
{
    QTest::addColumn<QByteArray>("text");
    constexpr qsizetype most = Limits::maxSettingsFileBytes;
    QTest::newRow("dots in a section") << '[' + QByteArray("a.").repeated(most / 2 - 2) + "a]";
    QTest::newRow("dots in a key") << QByteArray("a.").repeated(most / 2 - 3) + "a=1";
    QTest::newRow("quoted dots") << QByteArray("''.").repeated(most / 3 - 3) + "a=1";
    QTest::newRow("lists") << "a=" + QByteArray("[").repeated(most - 2);
    QTest::newRow("tables") << "a=" + QByteArray("{a=").repeated(most / 3 - 2);
    QTest::newRow("lists of tables") << "a=" + QByteArray("[{a=").repeated(most / 4 - 2);
    const QByteArray dots = QByteArray("a.").repeated(Limits::maxDotsPerSettingsLine - 1) + "a=";
    QTest::newRow("all that is allowed")
        << '[' + dots.chopped(1) + "]\n" + dots + (QByteArray("[\n{") + dots).repeated(8);
    QTest::newRow("a million quotes") << QByteArray(most, '"');
    QTest::newRow("a million lines") << QByteArray(most, '\n');
    QTest::newRow("many keys") << [] {
        QByteArray all;
        for (int i = 0; all.size() < most - 20; ++i)
            all += "k" + QByteArray::number(i) + "=1\n";
        return all;
    }();
}

void TestSettingsFile::file_nested_doesNotCrash()
{
    QFETCH(QByteArray, text);
    QVERIFY(text.size() <= Limits::maxSettingsFileBytes);
    const auto written = parseSettings(text, "f"_L);
    QVERIFY(written ? written->empty() : !written.error().empty());
}

void TestSettingsFile::file_mutated_isGoodOrSaysWhy()
{
    const QByteArray whole = fullFile();
    const qsizetype lines = whole.count('\n');
    QVERIFY(problemsOf(whole).empty());
    QRandomGenerator random(1);
    int good = 0;
    constexpr int rounds = 20'000 / slowness;
    for (int round = 0; round < rounds; ++round) {
        QByteArray text = whole;
        for (int i = 1 + random.bounded(4); i > 0 && !text.isEmpty(); --i) {
            const auto at = random.bounded(text.size());
            const auto length = std::min<qsizetype>(random.bounded(12), text.size() - at);
            switch (random.bounded(6)) {
            case 0:
                text[at] = char(random.bounded(256));
                break;
            case 1:
                text.remove(at, length);
                break;
            case 2:
                text.insert(random.bounded(text.size()), text.mid(at, length));
                break;
            case 3:
                text.truncate(at);
                break;
            case 4:
                text[at] = "[]{}\"'=.,#\\\n-_"[random.bounded(14)];
                break;
            case 5: // a digit more or less is a value that no longer is within bounds
                text.insert(at, QByteArray::number(random.generate()));
                break;
            }
        }
        const auto written = parseSettings(text, "f"_L);
        if (!written) {
            QVERIFY(!written.error().empty());
            for (const SettingsProblem &problem : written.error()) {
                QVERIFY(problem.line >= 0 && problem.line <= lines + 50);
                QVERIFY(!problem.text.isEmpty());
            }
            continue;
        }
        ++good;
        for (const WrittenSetting &one : *written) {
            const auto again = one.key->read(isAmount(*one.key) && !isA<int>(*one.key)
                    ? SettingValue(isA<qint64>(*one.key)
                            ? byteSizeText(std::get<qint64>(one.value))
                            : durationText(std::chrono::milliseconds(std::get<qint64>(one.value))))
                    : one.key->choices.empty()
                    ? one.value
                    : SettingValue(QString::fromLatin1(
                        one.key->choices[size_t(std::get<qint64>(one.value))])));
            QVERIFY2(again && *again == one.value, text.constData());
        }
        SettingsInForce settings;
        QVERIFY(settings.addFile(fileOf(text)));
        const auto settled = settings.settle();
        QVERIFY(settled || !settled.error().empty());
    }
    // Both happen often enough to mean something.
    QVERIFY2(
        good > rounds * 3 / 200 && good < rounds - rounds / 20, qPrintable(QString::number(good)));
}

void TestSettingsFile::place_odd_saysWhy_data()
{
    QTest::addColumn<QString>("path");
    QTest::addColumn<QString>("problem"); // empty: good
    QTest::newRow("missing") << "/nonexistent/x.toml"_L
                             << "No such file"_L;
    QTest::newRow("directory") << "/tmp"_L
                               << "is a directory"_L;
    QTest::newRow("nothing") << "/dev/null"_L << QString();
    QTest::newRow("without an end") << "/dev/zero"_L
                                    << "is not a regular file"_L;
    QTest::newRow("empty name") << QString() << "is no name of a file"_L;
    QTest::newRow("zero in its name")
        << QString("/etc/x\0y"_L).append(QChar::Null) << "is no name of a file"_L;
    QTest::newRow("too long a name") << u'/' + QString(5000, u'x') << "too long"_L;
    QTest::newRow("fifo") << "fifo"_L
                          << "is not a regular file"_L;
    QTest::newRow("link to itself") << "loop"_L
                                    << "symbolic links"_L;
    QTest::newRow("link") << "link"_L << QString();
    QTest::newRow("empty") << "empty"_L << QString();
    QTest::newRow("too large") << "large"_L << QString(); // and then the parser refuses it
    QTest::newRow("unreadable") << "unreadable"_L << (::geteuid() == 0 ? QString() : "denied"_L);
}

void TestSettingsFile::place_odd_saysWhy()
{
    QFETCH(QString, path);
    QFETCH(QString, problem);
    const QTemporaryDir directory;
    const auto in = [&directory](
                        const char *name) { return directory.filePath(QString::fromLatin1(name)); };
    QCOMPARE(::mkfifo(QFile::encodeName(in("fifo")).constData(), 0600), 0);
    writeFile(in("empty"), {});
    QVERIFY(QFile::link(in("loop"), in("loop")) && QFile::link(in("empty"), in("link")));
    writeFile(in("large"), QByteArray(4 * Limits::maxSettingsFileBytes, '\n'));
    writeFile(in("unreadable"), {});
    QVERIFY(QFile::setPermissions(in("unreadable"), {}));
    const bool isNamed = path.startsWith(u'/') || path.isEmpty();
    const auto file = SettingsFile::read(isNamed ? path : directory.filePath(path));
    if (problem.isEmpty()) {
        QVERIFY2(file, file ? "" : qPrintable(describe(file.error())));
        QVERIFY(file->text.size() <= Limits::maxSettingsFileBytes + 1);
        QCOMPARE(!parseSettings(file->text, path), path == "large"_L);
        return;
    }
    QVERIFY(!file);
    QVERIFY2(file.error().text.contains(problem), qPrintable(file.error().text));
    QCOMPARE(file.error().line, 0);
}

void TestSettingsFile::place_bound_holds()
{
    const QTemporaryDir directory;
    const QString path = directory.filePath("x"_L);
    for (const qint64 over : {0, 1}) {
        const qint64 size = Limits::maxSettingsFileBytes + over;
        writeFile(path, "scan.queue = 7 #" + QByteArray(size - 16, 'x'));
        const auto file = SettingsFile::read(path);
        QVERIFY(file && file->text.size() == size);
        QCOMPARE(parseSettings(file->text, path).has_value(), over == 0);
    }
}

void TestSettingsFile::place_found_isTheFirst()
{
    const QTemporaryDir home;
    const QByteArray root = home.path().toUtf8();
    const Variable homeVariable("HOME", root);
    const Variable none("SENTINEL_CONFIG", {});
    {
        const Variable xdg("XDG_CONFIG_HOME", {});
        QCOMPARE(settingsPlaces(),
            QStringList({home.filePath(".config/sentinel/sentinel.toml"_L),
                "/etc/sentinel/sentinel.toml"_L}));
        const Variable relative("XDG_CONFIG_HOME", "here");
        QCOMPARE(settingsPlaces().size(), 2);
        const Variable nowhere("HOME", "");
        QCOMPARE(settingsPlaces(), QStringList{"/etc/sentinel/sentinel.toml"_L});
    }
    const Variable xdg("XDG_CONFIG_HOME", root + "/xdg");
    QCOMPARE(settingsPlaces().first(), home.filePath("xdg/sentinel/sentinel.toml"_L));
    QVERIFY(QDir(home.path()).mkpath("xdg/sentinel"_L));
    const QString mine = settingsPlaces().first();
    writeFile(mine, "scan.queue = 7");
    auto found = findSettingsFile();
    QVERIFY(found && *found);
    QCOMPARE((*found)->path, mine);
    {
        // Who names a file means this one.
        const Variable named("SENTINEL_CONFIG", root + "/named.toml");
        const auto missing = findSettingsFile();
        QVERIFY(!missing);
        QCOMPARE(missing.error().file, home.filePath("named.toml"_L));
        writeFile(home.filePath("named.toml"_L), "scan.queue = 8");
        QCOMPARE((*findSettingsFile())->text, QByteArray("scan.queue = 8"));
    }
    // What is there and is no file is not passed over.
    QVERIFY(QFile::remove(mine) && QDir().mkdir(mine));
    QVERIFY(!findSettingsFile());
}

void TestSettingsFile::preset_values_data()
{
    QTest::addColumn<QByteArray>("name");
    QTest::addColumn<int>("workers");
    QTest::addColumn<int>("queue");
    QTest::addColumn<int>("seconds");
    QTest::newRow("default") << QByteArray("default") << 4 << 100 << 60;
    QTest::newRow("low-end") << QByteArray("low-end") << 2 << 50 << 90;
    QTest::newRow("raspberry-pi") << QByteArray("raspberry-pi") << 2 << 25 << 90;
    QTest::newRow("high-end") << QByteArray("high-end") << 0 << 200 << 60;
    QTest::newRow("server") << QByteArray("server") << 16 << 500 << 30;
}

void TestSettingsFile::preset_values()
{
    QFETCH(QByteArray, name);
    QFETCH(int, workers);
    QFETCH(int, queue);
    QFETCH(int, seconds);
    // Wherever it stands, what is said beside it wins.
    const SettingsInForce settings = inForce("preset = '" + name + "'");
    const LocalBackend::Settings &scanning = settings.values().scanning;
    if (workers > 0)
        QCOMPARE(scanning.workers.maxWorkers, workers);
    else
        QVERIFY(scanning.workers.maxWorkers >= 6 && scanning.workers.maxWorkers <= 8);
    QCOMPARE(scanning.queue.maxRequests, queue);
    QVERIFY(scanning.timeouts.most == std::chrono::seconds(seconds));
    QVERIFY(scanning.timeouts.least == std::chrono::seconds(10));
    QVERIFY(settings.originOf("scan.queue").layer == Layer::Preset);
    QVERIFY(settings.originOf("preset").layer == Layer::File);

    const SettingsInForce changed = inForce("scan.queue = 7\npreset = '" + name + "'");
    QCOMPARE(changed.values().scanning.queue.maxRequests, 7);
    QVERIFY(changed.originOf("scan.queue").layer == Layer::File);
    QVERIFY(changed.values().scanning.timeouts.most == std::chrono::seconds(seconds));
}

void TestSettingsFile::layers_each_winsOverThoseBefore()
{
    const Variable rules("SENTINEL_RULES", "/from/environment");
    const Variable socket("SENTINEL_SOCKET", "");
    SettingsInForce settings;
    QVERIFY(settings.addFile(fileOf("preset = 'server'\n"
                                    "rules.paths = ['/from/file']\n"
                                    "service.socket = '/from/file'\n"
                                    "scan.workers = 5\n"
                                    "cache.entries = 6\n")));
    settings.addEnvironment();
    settings.addOption("scan.workers", qint64(3));
    QVERIFY(settings.settle());
    const auto layerOf = [&settings](
                             const char *name) { return int(settings.originOf(name).layer); };
    const ProgramSettings &values = settings.values();
    QCOMPARE(values.scanning.workers.maxWorkers, 3);
    QCOMPARE(layerOf("scan.workers"), int(Layer::CommandLine));
    QCOMPARE(values.rulePaths, QStringList{"/from/environment"_L});
    QCOMPARE(layerOf("rules.paths"), int(Layer::Environment));
    QCOMPARE(values.socketPath, "/from/file"_L); // an empty variable says nothing
    QCOMPARE(layerOf("service.socket"), int(Layer::File));
    QCOMPARE(settings.originOf("service.socket").line, 3);
    QCOMPARE(values.scanning.cache.maxEntries, 6);
    QCOMPARE(values.scanning.queue.maxRequests, 500);
    QCOMPARE(layerOf("scan.queue"), int(Layer::Preset));
    QVERIFY(values.scanning.timeouts.least == Limits::minScanTimeout);
    QCOMPARE(layerOf("scan.timeout-small"), int(Layer::Default));
    settings.addOption("rules.paths", QStringList{"/from/option"_L});
    QCOMPARE(settings.values().rulePaths, QStringList{"/from/option"_L});
}

void TestSettingsFile::layers_contradiction_theLowerGivesWay()
{
    using std::chrono::seconds;
    const auto timeouts = [](const QByteArray &text) {
        return inForce(text).values().scanning.timeouts;
    };
    // The default of the other end gives way, on both sides.
    QVERIFY(timeouts("scan.timeout-small = '2 min'").most == seconds(120));
    QVERIFY(timeouts("scan.timeout-large = '3 s'").least == seconds(3));
    QVERIFY(timeouts("scan.timeout-large = '10 s'").least == seconds(10));
    // So does that of a preset.
    const SettingsInForce preset = inForce("preset = 'server'\nscan.timeout-small = '40 s'");
    QVERIFY(preset.values().scanning.timeouts.most == seconds(40));
    QCOMPARE(preset.originOf("scan.timeout-large").line, 2);
    // And the file's, for the command line.
    SettingsInForce settings;
    QVERIFY(settings.addFile(fileOf("scan.least-workers = 6\nscan.workers = 8")));
    settings.addOption("scan.workers", qint64(2));
    QVERIFY(settings.settle());
    QCOMPARE(settings.values().scanning.workers.minWorkers, 2);
    QVERIFY(settings.originOf("scan.least-workers").layer == Layer::CommandLine);
}

void TestSettingsFile::layers_contradictionInTheFile_isAnError()
{
    SettingsInForce settings;
    QVERIFY(settings.addFile(fileOf("[scan]\ntimeout-large = '5 s'\ntimeout-small = '6 s'\n"
                                    "workers = 2\nleast-workers = 3\n")));
    const auto settled = settings.settle();
    QVERIFY(!settled);
    QCOMPARE(told(settled.error()),
        QByteArray("/etc/x.toml:3: scan.timeout-small: \"6 s\" is above scan.timeout-large, "
                   "\"5 s\"\n"
                   "/etc/x.toml:5: scan.least-workers: 3 is above scan.workers, 2\n"));
}

void TestSettingsFile::open_values_areFilledIn()
{
    const Variable rules("SENTINEL_RULES", "");
    const Variable socket("SENTINEL_SOCKET", "");
    const Variable runtime("XDG_RUNTIME_DIR", "/run/user/7");
    const ProgramSettings values = inForce({}).values();
    QCOMPARE(values.rulePaths.size(), 1);
    QVERIFY(values.rulePaths.first().startsWith(u'/'));
    QCOMPARE(values.socketPath, "/run/user/7/sentinel/socket"_L);
    QVERIFY(values.scanning.workers.maxWorkers >= 1);
    QCOMPARE(values.workerProcesses, std::max(16, 2 * values.scanning.workers.maxWorkers));
    QCOMPARE(inForce("scan.workers = 20").values().workerProcesses, 40);
    QCOMPARE(inForce("scan.workers = 20\nworkers.processes = 3").values().workerProcesses, 3);
    // Where a whole timeout is due, too, follows from the sizes.
    QCOMPARE(
        inForce("scan.max-size = '1 GiB'").values().scanning.timeouts.largestBytes, Limits::gib);
    QCOMPARE(
        inForce("scan.max-size = 1").values().scanning.timeouts.largestBytes, Limits::maxScanBytes);
}

void TestSettingsFile::show_anything_isReadAgain()
{
    const QString odd = "/a \"b\" \\c\n# [x]\t\x01\x7f \xe2\x80\xae\xe2\x82\xac \xf0\x9f\x90\x8d"_L;
    const SettingsInForce settings = inForce(fullFile().replace("\"/x\"", tomlText(odd).toUtf8()));
    QVERIFY(settings.values().rulePaths.contains(odd));
    const QByteArray shown = settings.toToml().toUtf8();
    QVERIFY(!shown.contains("\xe2\x80\xae")); // nobody is deceived
    const SettingsInForce again = inForce(shown);
    for (const SettingKey *key : settingKeys()) {
        QVERIFY2(key->valueIn(again.values()) == key->valueIn(settings.values()), key->name);
        QVERIFY2(again.originOf(*key).layer == Layer::File, key->name);
    }
    QVERIFY(shown.contains("\nqueue = 99 # /etc/x.toml:"));
}

void TestSettingsFile::example_uncommented_isTheDefaults()
{
    const QByteArray example =
        contentOf(QStringLiteral(SENTINEL_SOURCE_DIR "/packaging/sentinel.toml"));
    QCOMPARE(QString::fromUtf8(example), exampleSettings());
    QVERIFY(parseSettings(example, "f"_L) && parseSettings(example, "f"_L)->empty());

    static const QRegularExpression commented(
        "^#(?=[a-z-]+ = )"_L, QRegularExpression::MultilineOption);
    const auto all = parseSettings(QString::fromUtf8(example).remove(commented).toUtf8(), "f"_L);
    QVERIFY2(all, all ? "" : told(all.error()).constData());
    QCOMPARE(all->size(), settingKeys().size());
    const ProgramSettings defaults;
    for (const WrittenSetting &one : *all)
        QVERIFY2(one.value == one.key->valueIn(defaults), one.key->name);
}

void TestSettingsFile::documentation_everyKey_isThere()
{
    const QString text =
        QString::fromUtf8(contentOf(QStringLiteral(SENTINEL_SOURCE_DIR "/docs/configuration.md")));
    const qsizetype begin = text.indexOf("\n## The settings file"_L);
    QVERIFY(begin > 0);
    const QString chapter = text.mid(begin, text.indexOf("\n## "_L, begin + 1) - begin);
    const ProgramSettings defaults;
    for (const SettingKey *key : settingKeys()) {
        QString usual = u'`' + key->toToml(key->valueIn(defaults)) + u'`';
        if (key->openDefault)
            usual += ": "_L + QLatin1StringView(key->openDefault);
        const QString row =
            "\n| `%1` | %2 | %3 | "_L.arg(QLatin1StringView(key->name), usual, key->bounds());
        QVERIFY2(chapter.contains(row), qPrintable("docs/configuration.md lacks"_L + row));
    }
    for (const char *name : presetNames)
        QVERIFY2(chapter.contains("\n| `\"%1\"`"_L.arg(QLatin1StringView(name))), name);
    // And no key that there is not.
    static const QRegularExpression rows(
        "^\\| `([a-z.-]+)` \\| "_L, QRegularExpression::MultilineOption);
    for (auto match = rows.globalMatch(chapter); match.hasNext();) {
        const QString name = match.next().captured(1);
        QVERIFY2(findKey(name), qPrintable(name));
    }
}

QTEST_GUILESS_MAIN(TestSettingsFile)
#include "tst_settingsfile.moc"
