// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/Quarantine.h"
#include "tests/support/ChildProcess.h"
#include "tests/support/FileAttribute.h"
#include "tests/support/QuarantineBench.h"
#include "tests/support/Slowness.h"

#include <QRandomGenerator>
#include <QTest>

#include <atomic>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

using namespace Sentinel;
using namespace Sentinel::Test;
using Code = QuarantineError::Code;

namespace {

constexpr qint64 chunk = Limits::quarantineChunkBytes;
const QString reason = QStringLiteral("a test");

mode_t modeOf(const QString &path)
{
    struct stat status { };
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : 0;
}

// Changes a stored file, which its user can do, too, after a chmod().
void rewrite(const QString &path, const std::function<void(QByteArray &)> &change)
{
    QByteArray bytes = bytesOf(path);
    change(bytes);
    QFile::setPermissions(path, QFile::ReadOwner | QFile::WriteOwner);
    writeFile(path, bytes);
}

QuarantineRecord storedAt(const QByteArray &bytes, const QDateTime &when)
{
    QuarantineRecord record = recordOf(bytes);
    record.storedAt = when;
    return record;
}

QStringList idsOf(const Quarantine &quarantine)
{
    QStringList ids;
    const auto listing = quarantine.list();
    for (const QuarantineItem &item : listing->items)
        ids.append(item.id);
    return ids;
}

} // namespace

class TestQuarantine : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        m_place = std::make_unique<FastDirectory>();
        m_store = m_place->path(QStringLiteral("data/quarantine"));
        m_out = m_place->path(QStringLiteral("out"));
        QVERIFY(QDir().mkpath(m_out));
        m_quarantine = openQuarantine(m_store);
    }
    void cleanup()
    {
        m_quarantine.reset();
        m_place.reset();
    }

    void open_unfitPlace_isRefused_data();
    void open_unfitPlace_isRefused();
    void directory_andFiles_areForTheirUserAlone();
    void stored_bytes_areInert();
    void thousandFiles_comeBackBitForBit();
    void take_fromDescriptor_comesBack();
    void take_withoutHash_computesIt();
    void take_otherContent_isChangedAndNothingIsStored_data();
    void take_otherContent_isChangedAndNothingIsStored();
    void take_beyondLimits_isRefused_data();
    void take_beyondLimits_isRefused();
    void take_missingKeyWithItems_makesNoOther();
    void take_private_keepsNoNameAndNoAddress();
    void record_hostile_isDataOnly_data();
    void record_hostile_isDataOnly();
    void flippedBit_isNoticedAndNamed_data();
    void flippedBit_isNoticedAndNamed();
    void chunks_movedCutOrExchanged_areNoticed_data();
    void chunks_movedCutOrExchanged_areNoticed();
    void list_oneDamaged_tellsOfTheOthers();
    void restore_keptAddress_isWithTheFile();
    void restore_unfitTarget_isRefusedAndTheItemStays_data();
    void restore_unfitTarget_isRefusedAndTheItemStays();
    void id_hostile_isNotFound_data();
    void id_hostile_isNotFound();
    void remove_deletesOnce();
    void remove_damaged_deletes();
    void purge_takesWhatItSays_data();
    void purge_takesWhatItSays();
    void purge_damaged_stays();
    void processes_atOnce_loseNothing();
    void threads_atOnce_loseNothing();
    void open_leftovers_areCompletedOrRemoved_data();
    void open_leftovers_areCompletedOrRemoved();
    void open_partOfALivingProcess_isLeftAlone();
    void open_foreignThings_areNotTouched();
    void links_inTheStore_areNotFollowed();
    void races_withLinks_writeNothingOutside();
    void descriptors_noneLeft_isAnErrorAndNothingIsLost();

private:
    QString itemPath(const QString &id, const char *file) const
    {
        return m_store + u'/' + id + u'/' + QLatin1String(file);
    }
    QByteArray contentOf(const QString &id) const
    {
        return contentOfItem(*m_quarantine, id, m_out);
    }

    std::unique_ptr<FastDirectory> m_place;
    QString m_store;
    QString m_out;
    std::unique_ptr<Quarantine> m_quarantine;
};

void TestQuarantine::open_unfitPlace_isRefused_data()
{
    QTest::addColumn<QString>("path");
    QTest::newRow("relative") << "quarantine"_L;
    QTest::newRow("nothing") << QString();
    QTest::newRow("a file") << "%/file"_L;
    QTest::newRow("below a file") << "%/file/quarantine"_L;
    QTest::newRow("a link") << "%/link"_L;
}

void TestQuarantine::open_unfitPlace_isRefused()
{
    QFETCH(QString, path);
    writeFile(m_place->path("file"_L), "x");
    QVERIFY(QFile::link(m_out, m_place->path("link"_L)));
    const auto opened = Quarantine::open(path.replace(u'%', m_place->path()));
    QVERIFY(!opened);
    QCOMPARE(opened.error().code, Code::NoAccess);
}

void TestQuarantine::directory_andFiles_areForTheirUserAlone()
{
    QVERIFY(QFile::setPermissions(m_store, QFile::Permissions(0x7777)));
    m_quarantine = openQuarantine(m_store);
    const mode_t usual = ::umask(0);
    const QuarantineItem item = takeBytes(*m_quarantine, "something");
    ::umask(usual);
    QCOMPARE(modeOf(m_store), mode_t(0700));
    QCOMPARE(modeOf(m_store + "/key"_L), mode_t(0400));
    QCOMPARE(modeOf(m_store + "/lock"_L), mode_t(0600));
    QCOMPARE(modeOf(m_store + u'/' + item.id), mode_t(0700));
    QCOMPARE(modeOf(itemPath(item.id, "record")), mode_t(0400));
    QCOMPARE(modeOf(itemPath(item.id, "content")), mode_t(0400));
    QCOMPARE(entriesOf(m_store).size(), 3);
}

void TestQuarantine::stored_bytes_areInert()
{
    const QByteArray marker = "THREAT-MARK-THREAT-MARK";
    const QuarantineItem item = takeBytes(*m_quarantine, marker.repeated(5'000));
    QVERIFY(!bytesOf(itemPath(item.id, "content")).contains("THREAT"));
    const QByteArray record = bytesOf(itemPath(item.id, "record"));
    QVERIFY(!record.contains("setup"));
    QVERIFY(!record.contains("EICAR"));
    // Twice the same is not the same.
    const QuarantineItem other = takeBytes(*m_quarantine, marker.repeated(5'000));
    const auto body = [this](const QString &id) {
        return bytesOf(itemPath(id, "content")).sliced(32);
    };
    QVERIFY(body(item.id) != body(other.id));
}

void TestQuarantine::thousandFiles_comeBackBitForBit()
{
    constexpr int count = 1'000 / slowness;
    const std::vector<qint64> edges{0, 1, 15, 16, 17, chunk - 1, chunk, chunk + 1, 2 * chunk - 1,
        2 * chunk, 2 * chunk + 1, 5 * chunk + 12'345, 3 * Limits::mib};
    QRandomGenerator random(7);
    const auto sizeOf = [&](int i) {
        return i < int(edges.size()) ? edges[size_t(i)] : qint64(random.bounded(20'000));
    };
    std::vector<std::pair<QuarantineItem, QByteArray>> taken;
    for (int i = 0; i < count; ++i) {
        const QByteArray bytes = patternOf(sizeOf(i), quint32(i));
        taken.emplace_back(takeBytes(*m_quarantine, bytes), bytes);
    }
    m_quarantine = openQuarantine(m_store);
    const auto listing = m_quarantine->list();
    QCOMPARE(listing->items.size(), size_t(count));
    QVERIFY(listing->unreadable.empty());
    for (const auto &[item, bytes] : taken) {
        QCOMPARE(m_quarantine->find(item.id).value(), item);
        QVERIFY2(contentOf(item.id) == bytes, qPrintable(item.id));
    }
}

void TestQuarantine::take_fromDescriptor_comesBack()
{
    const QByteArray bytes = patternOf(chunk + 5);
    writeFile(m_place->path("source"_L), bytes + "and more");
    const FileDescriptor file(
        ::open(QFile::encodeName(m_place->path("source"_L)).constData(), O_RDONLY | O_CLOEXEC));
    const auto item = m_quarantine->take(file, bytes.size(), recordOf(bytes));
    QVERIFY2(item, item ? "" : qPrintable(item.error().message));
    QCOMPARE(contentOf(item->id), bytes);
}

void TestQuarantine::take_withoutHash_computesIt()
{
    for (const qint64 size : {qint64(0), qint64(3), 2 * chunk + 1}) {
        const QByteArray bytes = patternOf(size);
        QuarantineRecord record = recordOf(bytes);
        const QByteArray sha256 = std::exchange(record.sha256, {});
        const QuarantineItem item = takeBytes(*m_quarantine, bytes, record);
        QCOMPARE(item.record.sha256, sha256);
        QCOMPARE(m_quarantine->find(item.id)->record.sha256, sha256);
    }
}

void TestQuarantine::take_otherContent_isChangedAndNothingIsStored_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<qint64>("announced");
    QTest::addColumn<Code>("code");
    const QByteArray good = patternOf(chunk + 100);
    QByteArray flipped = good;
    flipped[chunk + 50] = char(flipped[chunk + 50] ^ 1);
    QTest::newRow("one bit") << flipped << qint64(flipped.size()) << Code::Changed;
    QTest::newRow("shorter") << good.chopped(1) << qint64(good.size()) << Code::Changed;
    QTest::newRow("empty") << QByteArray() << qint64(good.size()) << Code::Changed;
    QTest::newRow("fewer") << good << qint64(good.size() - 1) << Code::Changed;
    QTest::newRow("negative") << good << qint64(-1) << Code::TooLarge;
    QTest::newRow("without end") << good << Limits::maxQuarantineItemBytes + 1 << Code::TooLarge;
}

void TestQuarantine::take_otherContent_isChangedAndNothingIsStored()
{
    QFETCH(const QByteArray, bytes);
    QFETCH(const qint64, announced);
    QFETCH(const Code, code);
    const QuarantineRecord record = recordOf(patternOf(chunk + 100));
    const auto taken = m_quarantine->take(readerOfBytes(bytes), announced, record);
    QVERIFY(!taken);
    QCOMPARE(taken.error().code, code);
    QVERIFY(idsOf(*m_quarantine).isEmpty());
    for (const QString &entry : entriesOf(m_store))
        QVERIFY2(entry == "key"_L || entry == "lock"_L, qPrintable(entry));

    const auto failing = [](std::span<char>, qint64) -> std::expected<qint64, QString> {
        return std::unexpected("the line is cut"_L);
    };
    const auto failed = m_quarantine->take(failing, 10, record);
    QVERIFY(!failed);
    QVERIFY(failed.error().message.contains("the line is cut"_L));
    QVERIFY(!entriesOf(m_store).filter(".part"_L).size());
}

void TestQuarantine::take_beyondLimits_isRefused_data()
{
    QTest::addColumn<int>("items");
    QTest::addColumn<qint64>("bytes");
    QTest::addColumn<qint64>("itemBytes");
    QTest::addColumn<Code>("code");
    QTest::newRow("items") << 2 << Limits::gib << Limits::gib << Code::Full;
    QTest::newRow("bytes") << 9 << qint64(2 * 1'000 + 2 * 48 + 1'047) << Limits::gib << Code::Full;
    QTest::newRow("one") << 9 << Limits::gib << qint64(999) << Code::TooLarge;
}

void TestQuarantine::take_beyondLimits_isRefused()
{
    QFETCH(const int, items);
    QFETCH(const qint64, bytes);
    QFETCH(const qint64, itemBytes);
    QFETCH(const Code, code);
    const QByteArray content = patternOf(1'000);
    takeBytes(*m_quarantine, content);
    takeBytes(*m_quarantine, content);
    m_quarantine = openQuarantine(m_store, {items, bytes, itemBytes});
    const auto taken =
        m_quarantine->take(readerOfBytes(content), content.size(), recordOf(content));
    QVERIFY(!taken);
    QCOMPARE(taken.error().code, code);
    QCOMPARE(idsOf(*m_quarantine).size(), 2);
    if (code == Code::Full) { // room for one more, after one has gone
        QVERIFY(m_quarantine->remove(idsOf(*m_quarantine).first()));
        takeBytes(*m_quarantine, content);
    }
}

void TestQuarantine::take_missingKeyWithItems_makesNoOther()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "something");
    QVERIFY(QFile::rename(m_store + "/key"_L, m_store + "/kept"_L));
    const auto taken = m_quarantine->take(readerOfBytes("x"), 1, recordOf("x"));
    QVERIFY(!taken);
    QCOMPARE(taken.error().code, Code::NoKey);
    QVERIFY(!QFile::exists(m_store + "/key"_L));
    QCOMPARE(m_quarantine->list()->unreadable.at(0).code, Code::NoKey);
    QVERIFY(QFile::rename(m_store + "/kept"_L, m_store + "/key"_L));
    QCOMPARE(contentOf(item.id), QByteArray("something"));
}

void TestQuarantine::take_private_keepsNoNameAndNoAddress()
{
    QuarantineRecord record = recordOf("something");
    record.privacy = Download::Privacy::Private;
    const QuarantineItem item = takeBytes(*m_quarantine, "something", record);
    const QuarantineRecord kept = m_quarantine->find(item.id)->record;
    QCOMPARE(kept, item.record);
    QCOMPARE(kept.privacy, Download::Privacy::Private);
    QVERIFY(kept.url.isEmpty() && kept.referrer.isEmpty());
    QVERIFY(kept.name.isEmpty() && kept.directory.isEmpty());
    QCOMPARE(kept.verdict, Verdict::Malicious);
}

void TestQuarantine::record_hostile_isDataOnly_data()
{
    QTest::addColumn<QString>("text");
    QTest::newRow("parent") << "../../../outside"_L;
    QTest::newRow("absolute") << "/etc/passwd"_L;
    QTest::newRow("nul") << QString(u'a') + QChar(0) + u'b';
    QTest::newRow("bidi") << QString(QChar(0x202e)) + "exe.txt"_L;
    QTest::newRow("escape") << "\x1b]0;x\x07"_L;
    QTest::newRow("json") << "\"},{\"verdict\":\"Clean\",\"x\":\""_L;
    QTest::newRow("lone surrogate") << QString(QChar(0xd800));
    QTest::newRow("a million") << QString(1'000'000, QChar(1));
    QTest::newRow("a million wide") << QString(1'000'000, QChar(0x4e00));
}

void TestQuarantine::record_hostile_isDataOnly()
{
    QFETCH(const QString, text);
    QuarantineRecord record = recordOf("bytes");
    record.name = record.directory = record.mimeType = record.clause = text;
    record.url = QUrl("https://user:secret@example.org/"_L + text + "?token=secret#secret"_L);
    record.findings = QStringList(2'000, text);
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes", record);
    const auto found = m_quarantine->find(item.id);
    QVERIFY2(found, found ? "" : qPrintable(found.error().message));
    QCOMPARE(found->record.verdict, Verdict::Malicious);
    QCOMPARE(found->record.findings.size(), Limits::maxFindings);
    QVERIFY(found->record.name.size() <= Limits::maxQuarantineText);
    if (text.size() < 100 && !text.front().isSurrogate())
        QCOMPARE(found->record.name, text);
    QVERIFY(!found->record.url.toString().contains("secret"_L));
    QCOMPARE(entriesOf(m_place->path()).size(), 2);
    QCOMPARE(entriesOf(m_store).size(), 3);
    QCOMPARE(contentOf(item.id), QByteArray("bytes"));
}

// Offsets of a content of three chunks: 32 bytes of header, then chunks, each with its tag.
void TestQuarantine::flippedBit_isNoticedAndNamed_data()
{
    QTest::addColumn<QString>("file");
    QTest::addColumn<qint64>("offset"); // negative: from the end
    QTest::addColumn<QString>("says");
    for (int i = 0; i < 32; ++i) {
        const QByteArray at = QByteArray::number(i);
        QTest::newRow("content header " + at) << "%/content"_L << qint64(i) << "header"_L;
        QTest::newRow("record header " + at) << "%/record"_L << qint64(i) << "header"_L;
    }
    constexpr qint64 sealed = chunk + 16;
    for (int i = 0; i < 3; ++i) {
        const QString says = "content is not as it was stored: chunk %1 of 3"_L.arg(i + 1);
        const qint64 begin = 32 + i * sealed;
        const qint64 bytes = i < 2 ? chunk : 77;
        const QByteArray at = QByteArray::number(i);
        QTest::newRow("chunk, first " + at) << "%/content"_L << begin << says;
        QTest::newRow("chunk, last " + at) << "%/content"_L << begin + bytes - 1 << says;
        QTest::newRow("tag, first " + at) << "%/content"_L << begin + bytes << says;
        QTest::newRow("tag, last " + at) << "%/content"_L << begin + bytes + 15 << says;
    }
    const QString record = "record is not as it was stored: chunk 1 of 1"_L;
    QTest::newRow("record, first") << "%/record"_L << qint64(32) << record;
    QTest::newRow("record, middle") << "%/record"_L << qint64(100) << record;
    QTest::newRow("record, tag") << "%/record"_L << qint64(-1) << record;
    for (const int i : {0, 7, 8, 39, 40, 71})
        QTest::addRow("key %d", i) << "key"_L << qint64(i) << "The key of the quarantine"_L;
}

void TestQuarantine::flippedBit_isNoticedAndNamed()
{
    QFETCH(const QString, file);
    QFETCH(const qint64, offset);
    QFETCH(const QString, says);
    const QByteArray bytes = patternOf(2 * chunk + 77);
    const QuarantineItem item = takeBytes(*m_quarantine, bytes);
    const QString path = m_store + u'/' + QString(file).replace(u'%', item.id);
    const auto flip = [offset](QByteArray &stored) {
        char &byte = stored[offset < 0 ? stored.size() + offset : offset];
        byte = char(byte ^ 0x10);
    };
    rewrite(path, flip);
    const auto restored = m_quarantine->restore(item.id, {m_out, "x"_L, reason});
    QVERIFY(!restored);
    QCOMPARE(restored.error().code, Code::Damaged);
    QCOMPARE(restored.error().item, item.id);
    QVERIFY2(restored.error().message.contains(item.id), qPrintable(restored.error().message));
    QVERIFY2(restored.error().message.contains(says), qPrintable(restored.error().message));
    QVERIFY(entriesOf(m_out).isEmpty());

    rewrite(path, flip); // and nothing was lost by it
    QCOMPARE(contentOf(item.id), bytes);
}

void TestQuarantine::chunks_movedCutOrExchanged_areNoticed_data()
{
    using Change = std::function<void(QByteArray &, const QByteArray &)>;
    QTest::addColumn<Change>("change"); // of a content, which gets another item's, too
    constexpr qint64 sealed = chunk + 16;
    QTest::newRow("exchanged within") << Change([](QByteArray &own, const QByteArray &) {
        own = own.first(32) + own.sliced(32 + sealed, sealed) + own.sliced(32, sealed)
            + own.sliced(32 + 2 * sealed);
    });
    QTest::newRow("one left out") << Change(
        [](QByteArray &own, const QByteArray &) { own.remove(32, sealed); });
    QTest::newRow("the last cut off")
        << Change([](QByteArray &own, const QByteArray &) { own.truncate(32 + 2 * sealed); });
    QTest::newRow("a byte cut off")
        << Change([](QByteArray &own, const QByteArray &) { own.chop(1); });
    QTest::newRow("a byte more") << Change(
        [](QByteArray &own, const QByteArray &) { own.append('x'); });
    QTest::newRow("empty") << Change([](QByteArray &own, const QByteArray &) { own.clear(); });
    QTest::newRow("header only") << Change(
        [](QByteArray &own, const QByteArray &) { own.truncate(32); });
    QTest::newRow("another item's chunk") << Change([](QByteArray &own, const QByteArray &other) {
        own.replace(32, sealed, other.sliced(32, sealed));
    });
    QTest::newRow("another item's content")
        << Change([](QByteArray &own, const QByteArray &other) { own = other; });
    QTest::newRow("another item's below its own header") << Change(
        [](QByteArray &own, const QByteArray &other) { own = own.first(32) + other.sliced(32); });
}

void TestQuarantine::chunks_movedCutOrExchanged_areNoticed()
{
    using Change = std::function<void(QByteArray &, const QByteArray &)>;
    QFETCH(const Change, change);
    const QByteArray bytes = patternOf(2 * chunk + 77);
    const QuarantineItem item = takeBytes(*m_quarantine, bytes);
    const QuarantineItem other = takeBytes(*m_quarantine, bytes);
    const QByteArray foreign = bytesOf(itemPath(other.id, "content"));
    rewrite(itemPath(item.id, "content"), [&](QByteArray &own) { change(own, foreign); });
    const auto restored = m_quarantine->restore(item.id, {m_out, "x"_L, reason});
    QVERIFY(!restored);
    QCOMPARE(restored.error().code, Code::Damaged);
    QVERIFY(entriesOf(m_out).isEmpty());
    QCOMPARE(contentOf(other.id), bytes);
}

void TestQuarantine::list_oneDamaged_tellsOfTheOthers()
{
    const QuarantineItem first = takeBytes(*m_quarantine, "first");
    const QuarantineItem second = takeBytes(*m_quarantine, "second");
    const QuarantineItem third = takeBytes(*m_quarantine, "third");
    rewrite(itemPath(first.id, "record"), [](QByteArray &bytes) { bytes.chop(1); });
    QVERIFY(QFile::remove(itemPath(second.id, "content")));
    const auto listing = m_quarantine->list();
    QCOMPARE(listing->items, std::vector{third});
    QCOMPARE(listing->unreadable.size(), size_t(2));
    for (const QuarantineError &error : listing->unreadable) {
        QCOMPARE(error.code, Code::Damaged);
        QVERIFY(error.item == first.id || error.item == second.id);
    }
}

void TestQuarantine::restore_keptAddress_isWithTheFile()
{
    QuarantineRecord record = recordOf("bytes");
    record.url = QUrl("https://user:secret@example.org/x?token=1"_L);
    const auto item = m_quarantine->take(readerOfBytes("bytes"), 5, record);
    QVERIFY(item);
    const auto restored = m_quarantine->restore(item->id, {m_out, "x"_L, reason});
    QVERIFY2(restored, restored ? "" : qPrintable(restored.error().message));
    QCOMPARE(attribute(*restored, "user.xdg.origin.url"), QByteArray("https://example.org/x"));
}

void TestQuarantine::restore_unfitTarget_isRefusedAndTheItemStays_data()
{
    QTest::addColumn<QString>("directory");
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("why");
    QTest::addColumn<Code>("code");
    QTest::newRow("there is one") << "%/out"_L
                                  << "taken"_L << reason << Code::Exists;
    QTest::newRow("a link") << "%/out"_L
                            << "link"_L << reason << Code::Exists;
    QTest::newRow("a link to nowhere") << "%/out"_L
                                       << "dangling"_L << reason << Code::Exists;
    QTest::newRow("no reason") << "%/out"_L
                               << "x"_L << QString() << Code::Refused;
    QTest::newRow("no reason but space") << "%/out"_L
                                         << "x"_L
                                         << " \n"_L << Code::Refused;
    QTest::newRow("no directory") << QString() << "x"_L << reason << Code::Refused;
    QTest::newRow("relative") << "out"_L
                              << "x"_L << reason << Code::Refused;
    QTest::newRow("missing") << "%/missing"_L
                             << "x"_L << reason << Code::NoAccess;
    QTest::newRow("a path") << "%/out"_L
                            << "../x"_L << reason << Code::Failed;
    QTest::newRow("parent") << "%/out"_L
                            << ".."_L << reason << Code::Failed;
    QTest::newRow("empty") << "%/out"_L << QString() << reason << Code::Failed;
}

void TestQuarantine::restore_unfitTarget_isRefusedAndTheItemStays()
{
    QFETCH(QString, directory);
    QFETCH(const QString, name);
    QFETCH(const QString, why);
    QFETCH(const Code, code);
    const QString victim = m_place->path("victim"_L);
    writeFile(victim, "mine");
    writeFile(m_out + "/taken"_L, "mine");
    QVERIFY(QFile::link(victim, m_out + "/link"_L));
    QVERIFY(QFile::link(m_place->path("nowhere"_L), m_out + "/dangling"_L));
    const QStringList before = entriesOf(m_out);

    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    const auto restored =
        m_quarantine->restore(item.id, {directory.replace(u'%', m_place->path()), name, why});
    QVERIFY(!restored);
    QCOMPARE(restored.error().code, code);
    QCOMPARE(restored.error().item, item.id);
    QCOMPARE(entriesOf(m_out), before);
    QCOMPARE(bytesOf(victim), QByteArray("mine"));
    QCOMPARE(bytesOf(m_out + "/taken"_L), QByteArray("mine"));
    QVERIFY(!QFile::exists(m_place->path("nowhere"_L)));
    QCOMPARE(contentOf(item.id), QByteArray("bytes"));
}

void TestQuarantine::id_hostile_isNotFound_data()
{
    QTest::addColumn<QString>("id");
    QTest::newRow("empty") << QString();
    QTest::newRow("dot") << "."_L;
    QTest::newRow("parent") << ".."_L;
    QTest::newRow("path") << "../out"_L;
    QTest::newRow("key") << "key"_L;
    QTest::newRow("unknown") << QString(32, u'0');
    QTest::newRow("upper case") << QString(32, u'A');
    QTest::newRow("short") << QString(31, u'a');
    QTest::newRow("long") << QString(100'000, u'a');
    QTest::newRow("wide digits") << QString(32, QChar(0xff10));
    QTest::newRow("beyond Latin-1") << QString(32, QChar(0x0161)); // ends in 'a', taken as bytes
    QTest::newRow("nul") << QString(32, QChar(0));
    QTest::newRow("part") << QString(32, u'a') + ".part"_L;
    QTest::newRow("escape") << "\x1b[2J"_L;
}

void TestQuarantine::id_hostile_isNotFound()
{
    QFETCH(const QString, id);
    takeBytes(*m_quarantine, "bytes");
    const auto found = m_quarantine->find(id);
    const auto restored = m_quarantine->restore(id, {m_out, "x"_L, reason});
    const auto removed = m_quarantine->remove(id);
    QVERIFY(!found && !restored && !removed);
    for (const QuarantineError &error : {found.error(), restored.error(), removed.error()}) {
        QCOMPARE(error.code, Code::NotFound);
        QVERIFY(error.message.size() < 300);
        QVERIFY(!error.message.contains(QChar(0x1b)) && !error.message.contains(QChar(0)));
    }
    QCOMPARE(idsOf(*m_quarantine).size(), 1);
}

void TestQuarantine::remove_deletesOnce()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    const QuarantineItem other = takeBytes(*m_quarantine, "bytes");
    QVERIFY(m_quarantine->remove(item.id));
    QCOMPARE(m_quarantine->remove(item.id).error().code, Code::NotFound);
    QCOMPARE(idsOf(*m_quarantine), QStringList{other.id});
    QCOMPARE(entriesOf(m_store).size(), 3);
}

void TestQuarantine::remove_damaged_deletes()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    QVERIFY(QFile::remove(itemPath(item.id, "record")));
    QVERIFY(QFile::remove(m_store + "/key"_L));
    QVERIFY(m_quarantine->remove(item.id));
    QVERIFY(!QFile::exists(m_store + u'/' + item.id));
}

void TestQuarantine::purge_takesWhatItSays_data()
{
    QTest::addColumn<QuarantinePurge>("purge");
    QTest::addColumn<int>("left"); // of five of 100 bytes, 0 to 4 hours old, the youngest
    using std::chrono::hours;
    QTest::newRow("nothing") << QuarantinePurge{} << 5;
    QTest::newRow("age") << QuarantinePurge{hours(2), {}, {}} << 3; // 2 h is not older than 2 h
    QTest::newRow("age, none") << QuarantinePurge{hours(5), {}, {}} << 5;
    QTest::newRow("age, all older than now") << QuarantinePurge{hours(0), {}, {}} << 1;
    QTest::newRow("bytes") << QuarantinePurge{{}, 300, {}} << 3;
    QTest::newRow("bytes, not quite") << QuarantinePurge{{}, 299, {}} << 2;
    QTest::newRow("bytes, all") << QuarantinePurge{{}, 0, {}} << 0;
    QTest::newRow("items") << QuarantinePurge{{}, {}, 4} << 4;
    QTest::newRow("items, all") << QuarantinePurge{{}, {}, 0} << 0;
    QTest::newRow("the strictest") << QuarantinePurge{hours(3), 450, 2} << 2;
}

void TestQuarantine::purge_takesWhatItSays()
{
    QFETCH(const QuarantinePurge, purge);
    QFETCH(const int, left);
    const QDateTime now(QDate(2030, 5, 17), QTime(12, 0), Qt::UTC);
    QStringList ids; // the youngest first
    for (int i = 0; i < 5; ++i) {
        const QByteArray bytes = patternOf(100, quint32(i));
        ids.append(takeBytes(*m_quarantine, bytes, storedAt(bytes, now.addSecs(-3'600 * i))).id);
    }
    const auto purged = m_quarantine->purge(purge, now);
    QVERIFY(purged && purged->problems.empty());
    QStringList expected = ids.mid(0, left);
    std::ranges::reverse(expected);
    QCOMPARE(idsOf(*m_quarantine), expected);
    QCOMPARE(purged->gone.size(), size_t(5 - left));
    if (left < 5)
        QCOMPARE(purged->gone.front().id, ids.last());
    QVERIFY(m_quarantine->purge(purge, now)->gone.empty()); // twice does its work once
}

void TestQuarantine::purge_damaged_stays()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    takeBytes(*m_quarantine, "other");
    rewrite(itemPath(item.id, "record"), [](QByteArray &bytes) { bytes.clear(); });
    const auto purged =
        m_quarantine->purge({{}, {}, 0}, QDateTime::currentDateTimeUtc().addYears(9));
    QCOMPARE(purged->gone.size(), size_t(1));
    QVERIFY(QFile::exists(m_store + u'/' + item.id));
}

// From a directory that is not there yet: the key is made by several at once, too.
void TestQuarantine::processes_atOnce_loseNothing()
{
    constexpr int processes = 4;
    constexpr int rounds = 25;
    const QString store = m_place->path("shared"_L);
    std::vector<pid_t> children;
    for (int process = 0; process < processes; ++process) {
        children.push_back(startChild([&store, process] {
            const auto quarantine = Quarantine::open(store);
            if (!quarantine)
                return 2;
            for (int round = 0; round < rounds; ++round) {
                const QByteArray bytes = patternOf(chunk + round, quint32(process));
                const auto kept =
                    (*quarantine)->take(readerOfBytes(bytes), bytes.size(), recordOf(bytes));
                const auto gone =
                    (*quarantine)->take(readerOfBytes(bytes), bytes.size(), recordOf(bytes));
                if (!kept || !gone || !(*quarantine)->remove(gone->id))
                    return 3;
                const auto listing = (*quarantine)->list();
                if (!listing || !listing->unreadable.empty() || !Quarantine::open(store))
                    return 4;
            }
            return 0;
        }));
    }
    for (const pid_t child : children)
        QCOMPARE(endOf(child), "exit 0"_L);
    m_quarantine = openQuarantine(store);
    const auto listing = m_quarantine->list();
    QCOMPARE(listing->items.size(), size_t(processes * rounds));
    for (const QuarantineItem &item : listing->items) {
        const QByteArray bytes = contentOf(item.id);
        QCOMPARE(QCryptographicHash::hash(bytes, QCryptographicHash::Sha256), item.record.sha256);
    }
    QCOMPARE(entriesOf(store).size(), processes * rounds + 2);
}

void TestQuarantine::threads_atOnce_loseNothing()
{
    constexpr int rounds = 25;
    std::atomic<int> failures{0};
    {
        std::vector<std::jthread> threads;
        for (quint32 seed = 0; seed < 4; ++seed) {
            threads.emplace_back([this, seed, &failures] {
                for (int round = 0; round < rounds; ++round) {
                    const QByteArray bytes = patternOf(1'000 + round, seed);
                    const auto item =
                        m_quarantine->take(readerOfBytes(bytes), bytes.size(), recordOf(bytes));
                    if (!item || contentOf(item->id) != bytes || !m_quarantine->list())
                        ++failures;
                }
            });
        }
    }
    QCOMPARE(failures.load(), 0);
    QCOMPARE(idsOf(*m_quarantine).size(), 4 * rounds);
}

void TestQuarantine::open_leftovers_areCompletedOrRemoved_data()
{
    QTest::addColumn<QString>("renamedTo"); // an item's directory
    QTest::addColumn<QString>("missing"); // a file of it
    QTest::addColumn<int>("kept"); // bytes of its content; -1: all
    QTest::addColumn<bool>("isThere"); // afterwards
    QTest::newRow("an item") << "%"_L << QString() << -1 << true;
    QTest::newRow("a whole part") << "%.part"_L << QString() << -1 << true;
    QTest::newRow("a part without content") << "%.part"_L
                                            << "content"_L << -1 << false;
    QTest::newRow("a part without record") << "%.part"_L
                                           << "record"_L << -1 << false;
    QTest::newRow("a part just begun") << "%.part"_L
                                       << "both"_L << -1 << false;
    QTest::newRow("a part cut short") << "%.part"_L << QString() << 70'000 << false;
    QTest::newRow("a part of no bytes") << "%.part"_L << QString() << 0 << false;
    QTest::newRow("a deletion") << "%.gone"_L << QString() << -1 << false;
    QTest::newRow("a deletion, half done") << "%.gone"_L
                                           << "record"_L << -1 << false;
    QTest::newRow("a deletion, nearly done") << "%.gone"_L
                                             << "both"_L << -1 << false;
}

void TestQuarantine::open_leftovers_areCompletedOrRemoved()
{
    QFETCH(QString, renamedTo);
    QFETCH(const QString, missing);
    QFETCH(const int, kept);
    QFETCH(const bool, isThere);
    const QByteArray bytes = patternOf(2 * chunk);
    const QuarantineItem other = takeBytes(*m_quarantine, "other");
    const QuarantineItem item = takeBytes(*m_quarantine, bytes);
    for (const char *file : {"record", "content"}) {
        if (missing == "both"_L || missing == QLatin1String(file))
            QVERIFY(QFile::remove(itemPath(item.id, file)));
    }
    if (kept >= 0) // as it is while its room is only reserved
        rewrite(itemPath(item.id, "content"), [kept](QByteArray &stored) {
            stored = stored.first(kept) + QByteArray(stored.size() - kept, '\0');
        });
    const QString name = renamedTo.replace(u'%', item.id);
    QVERIFY(name == item.id || QFile::rename(m_store + u'/' + item.id, m_store + u'/' + name));
    writeFile(m_store + "/key.part"_L, "half a k");
    if (name != item.id)
        QCOMPARE(idsOf(*m_quarantine), QStringList{other.id});

    for (int twice = 0; twice < 2; ++twice) {
        m_quarantine = openQuarantine(m_store);
        QCOMPARE(idsOf(*m_quarantine).contains(item.id), isThere);
        QCOMPARE(contentOf(other.id), QByteArray("other"));
        if (isThere)
            QCOMPARE(contentOf(item.id), bytes);
        QCOMPARE(entriesOf(m_store).size(), isThere ? 4 : 3);
    }
}

void TestQuarantine::open_partOfALivingProcess_isLeftAlone()
{
    int asked = 0;
    const QByteArray bytes = patternOf(3 * chunk);
    const auto whileStoring = [&](std::span<char> target, qint64 offset) {
        if (++asked == 2) { // in the middle of the content
            const auto other = openQuarantine(m_store);
            [&] { QVERIFY(idsOf(*other).isEmpty()); }();
            [&] { QCOMPARE(entriesOf(m_store).filter(".part"_L).size(), 1); }();
            takeBytes(*other, "meanwhile");
        }
        return readerOfBytes(bytes)(target, offset);
    };
    const auto item = m_quarantine->take(whileStoring, bytes.size(), recordOf(bytes));
    QVERIFY2(item, item ? "" : qPrintable(item.error().message));
    QCOMPARE(contentOf(item->id), bytes);
    QCOMPARE(idsOf(*m_quarantine).size(), 2);
}

void TestQuarantine::open_foreignThings_areNotTouched()
{
    const QStringList names{"notes.txt"_L, "x.part"_L, "y.gone"_L, QString(31, u'a') + ".part"_L,
        QString(32, u'A'), QString(32, u'a') + ".party"_L, ".hidden"_L};
    for (const QString &name : names)
        writeFile(m_store + u'/' + name, "mine");
    // And what does not belong into an item keeps its place.
    const QString gone = m_store + u'/' + QString(32, u'b') + ".gone"_L;
    QVERIFY(QDir().mkpath(gone));
    writeFile(gone + "/mine"_L, "mine");
    m_quarantine = openQuarantine(m_store);
    QVERIFY(idsOf(*m_quarantine).isEmpty());
    for (const QString &name : names)
        QCOMPARE(bytesOf(m_store + u'/' + name), QByteArray("mine"));
    QCOMPARE(bytesOf(gone + "/mine"_L), QByteArray("mine"));
}

void TestQuarantine::links_inTheStore_areNotFollowed()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    const QString outside = m_place->path("outside"_L);
    const QString moved = outside + "/item"_L;
    QVERIFY(QDir().mkpath(outside));
    for (const char *suffix : {"", ".part", ".gone"}) {
        const QString place = m_store + u'/' + item.id + QLatin1String(suffix);
        if (!*suffix)
            QVERIFY(QFile::rename(place, moved));
        QVERIFY(QFile::link(moved, place));
        m_quarantine = openQuarantine(m_store);
        QVERIFY(idsOf(*m_quarantine).isEmpty());
        if (!*suffix) {
            QCOMPARE(m_quarantine->find(item.id).error().code, Code::Damaged);
            QVERIFY(!m_quarantine->restore(item.id, {m_out, "x"_L, reason}));
        }
        (void)m_quarantine->remove(item.id);
        QCOMPARE(entriesOf(moved).size(), 2);
        QFile::remove(place);
        QFile::remove(m_store + u'/' + item.id + ".gone"_L);
    }
    QVERIFY(entriesOf(m_out).isEmpty());
}

// Somebody puts links in the places of the directories that items are stored in.
void TestQuarantine::races_withLinks_writeNothingOutside()
{
    constexpr int rounds = 10'000 / slowness;
    const QString outside = m_place->path("outside"_L);
    QVERIFY(QDir().mkpath(outside));
    std::atomic<bool> isOver{false};
    std::atomic<int> raced{0};
    std::jthread racer([&] {
        const QByteArray aside = QFile::encodeName(m_place->path("aside"_L));
        const QByteArray target = QFile::encodeName(outside);
        for (int i = 0; !isOver; ++i) {
            for (const QString &name : entriesOf(m_store)) {
                const QByteArray path = QFile::encodeName(m_store + u'/' + name);
                const bool isPart = name.endsWith(".part"_L);
                if (!isPart && i % 3 != 0) // items, too, now and then
                    continue;
                if (name == "key"_L || name == "lock"_L)
                    continue;
                const QByteArray place = aside + QByteArray::number(raced.load());
                if (::rename(path.constData(), place.constData()) == 0
                    && ::symlink(target.constData(), path.constData()) == 0)
                    ++raced;
            }
        }
    });
    int stored = 0;
    for (int i = 0; i < rounds; ++i) {
        const auto item = m_quarantine->take(readerOfBytes("bytes"), 5, recordOf("bytes"));
        stored += item ? 1 : 0;
        if (item && i % 2 == 0)
            (void)m_quarantine->remove(item->id);
        if (i % 50 == 0) {
            m_quarantine = openQuarantine(m_store);
            for (const QString &name : entriesOf(m_store)) {
                if (name != "key"_L && name != "lock"_L)
                    QFile::remove(m_store + u'/' + name); // the links
            }
        }
    }
    isOver = true;
    racer.join();
    QVERIFY(raced > 0);
    QVERIFY(entriesOf(outside).isEmpty());
    QVERIFY(stored > 0);
}

void TestQuarantine::descriptors_noneLeft_isAnErrorAndNothingIsLost()
{
    const QuarantineItem item = takeBytes(*m_quarantine, "bytes");
    const QString end = runInChild([&] {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        const auto taken = m_quarantine->take(readerOfBytes("x"), 1, recordOf("x"));
        const auto restored = m_quarantine->restore(item.id, {m_out, "x"_L, reason});
        const bool isTold = !taken && !restored && !m_quarantine->list()
            && taken.error().message.contains("ulimit"_L);
        return isTold ? 0 : 1;
    });
    QCOMPARE(end, "exit 0"_L);
    QCOMPARE(contentOf(item.id), QByteArray("bytes"));
}

QTEST_APPLESS_MAIN(TestQuarantine)
#include "tst_quarantine.moc"
