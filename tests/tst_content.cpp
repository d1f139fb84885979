// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Content.h"

#include <QTest>

#include <array>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

using namespace Sentinel;

class tst_Content : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void fromByteArray_ownedBytes_areShared();
    void fromByteArray_borrowedBytes_areCopied_data();
    void fromByteArray_borrowedBytes_areCopied();
    void fromByteArray_nothing_isCompleteAndEmpty_data();
    void fromByteArray_nothing_isCompleteAndEmpty();
    void fromByteArray_callerChangesItsArray_contentStays();
    void content_new_isEmptyAndIncomplete();
    void grow_smallerOrNegative_neverShrinks_data();
    void grow_smallerOrNegative_neverShrinks();
    void grow_afterComplete_isIgnored();
    void complete_afterGrow_keepsTheSize();
    void extent_over4GiB_isExact();
    void owner_viewLives_isKept();
    void extent_readWhileItGrows_announcesOnlyWrittenBytes();
};

void tst_Content::fromByteArray_ownedBytes_areShared()
{
    const QByteArray bytes(100'000, 'x');
    const auto content = Content::fromByteArray(bytes);
    QCOMPARE(
        static_cast<const void *>(content->bytes()), static_cast<const void *>(bytes.constData()));
    QCOMPARE(content->extent().sizeBytes, bytes.size());
    QVERIFY(content->extent().isComplete);
}

void tst_Content::fromByteArray_borrowedBytes_areCopied_data()
{
    static constexpr char literal[] = "lent";
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("raw data") << QByteArray::fromRawData(literal, sizeof literal - 1);
    QTest::newRow("literal") << QByteArrayLiteral("lent");
}

void tst_Content::fromByteArray_borrowedBytes_areCopied()
{
    QFETCH(QByteArray, bytes);
    const auto content = Content::fromByteArray(bytes);
    QVERIFY(static_cast<const void *>(content->bytes())
        != static_cast<const void *>(bytes.constData()));
    QCOMPARE(QByteArray(reinterpret_cast<const char *>(content->bytes()), 4), QByteArray("lent"));

    // The lender goes away and its memory gets another use.
    std::array<char, 4> lent{'l', 'e', 'n', 't'};
    const auto copy = Content::fromByteArray(QByteArray::fromRawData(lent.data(), lent.size()));
    lent.fill('!');
    QCOMPARE(copy->span()[0], uchar('l'));
}

void tst_Content::fromByteArray_nothing_isCompleteAndEmpty_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::newRow("null") << QByteArray();
    QTest::newRow("empty") << QByteArray("");
    QTest::newRow("lent nothing") << QByteArray::fromRawData(nullptr, 0);
    QByteArray cleared(10, 'x');
    cleared.resize(0);
    QTest::newRow("cleared") << cleared;
}

void tst_Content::fromByteArray_nothing_isCompleteAndEmpty()
{
    QFETCH(QByteArray, bytes);
    const auto content = Content::fromByteArray(bytes);
    QCOMPARE(content->extent().sizeBytes, 0);
    QVERIFY(content->extent().isComplete);
    QVERIFY(content->span().empty());
    QVERIFY(content->bytes()); // engines take a pointer and a size
}

void tst_Content::fromByteArray_callerChangesItsArray_contentStays()
{
    QByteArray bytes(16, 'a');
    const auto content = Content::fromByteArray(bytes);
    bytes.fill('b');
    QCOMPARE(content->span()[15], uchar('a'));
}

void tst_Content::content_new_isEmptyAndIncomplete()
{
    const Content content(nullptr, nullptr);
    QCOMPARE(content.extent().sizeBytes, 0);
    QVERIFY(!content.extent().isComplete);
    QVERIFY(content.span().empty());
}

void tst_Content::grow_smallerOrNegative_neverShrinks_data()
{
    QTest::addColumn<qint64>("size");
    QTest::newRow("smaller") << qint64(9);
    QTest::newRow("the same") << qint64(10);
    QTest::newRow("zero") << qint64(0);
    QTest::newRow("negative") << qint64(-1);
    QTest::newRow("least") << std::numeric_limits<qint64>::min();
}

void tst_Content::grow_smallerOrNegative_neverShrinks()
{
    QFETCH(qint64, size);
    const QByteArray bytes(10, 'x');
    Content content(reinterpret_cast<const uchar *>(bytes.constData()), nullptr);
    content.grow(10);
    content.grow(size);
    QCOMPARE(content.extent().sizeBytes, 10);
    QVERIFY(!content.extent().isComplete);
}

void tst_Content::grow_afterComplete_isIgnored()
{
    Content content(nullptr, nullptr);
    content.complete();
    content.grow(10);
    QCOMPARE(content.extent().sizeBytes, 0);
    QVERIFY(content.extent().isComplete);
}

void tst_Content::complete_afterGrow_keepsTheSize()
{
    Content content(nullptr, nullptr);
    content.grow(10);
    content.complete();
    content.complete();
    QCOMPARE(content.extent().sizeBytes, 10);
    QVERIFY(content.extent().isComplete);
}

void tst_Content::extent_over4GiB_isExact()
{
    Content content(nullptr, nullptr);
    const qint64 size = (qint64(1) << 40) + 1;
    content.grow(size);
    QCOMPARE(content.extent().sizeBytes, size);
    content.complete();
    QCOMPARE(content.extent().sizeBytes, size);
}

void tst_Content::owner_viewLives_isKept()
{
    auto owner = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = owner;
    auto content = std::make_shared<Content>(nullptr, std::move(owner));
    QVERIFY(!watch.expired());
    content.reset();
    QVERIFY(watch.expired());
}

void tst_Content::extent_readWhileItGrows_announcesOnlyWrittenBytes()
{
    constexpr size_t size = 1 << 16;
    std::vector<uchar> bytes(size);
    Content content(bytes.data(), nullptr);
    std::atomic<int> faults = 0;

    std::thread reader([&] {
        Content::Extent extent;
        do {
            const Content::Extent next = content.extent();
            faults += next.sizeBytes < extent.sizeBytes;
            for (qint64 i = extent.sizeBytes; i < next.sizeBytes; ++i)
                faults += content.bytes()[i] != uchar(i % 251);
            extent = next;
        } while (!extent.isComplete);
        faults += extent.sizeBytes != qint64(size);
    });
    for (size_t i = 0; i < size; ++i) {
        bytes[i] = uchar(i % 251);
        content.grow(qint64(i) + 1);
    }
    content.complete();
    reader.join();
    QCOMPARE(faults.load(), 0);
}

QTEST_GUILESS_MAIN(tst_Content)
#include "tst_content.moc"
