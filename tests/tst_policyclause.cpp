// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyClause.h"

#include "SecurityTap/Limits.h"

#include <QRandomGenerator>
#include <QTest>

using namespace Sentinel;

namespace {

template <typename Value, typename Values>
Value anyOf(QRandomGenerator &random, const Values &values)
{
    return values[random.bounded(qsizetype(std::size(values)))];
}

//! A clause that can be written, at random.
PolicyClause anyClause(QRandomGenerator &random)
{
    PolicyClause clause;
    clause.effect = anyOf<Disposition>(random, allDispositions);
    const auto isWanted = [&random] { return random.bounded(2) == 0; };
    if (isWanted()) {
        clause.reasons = {Reason::QueueFull};
        if (isWanted())
            clause.hold = std::chrono::milliseconds(random.bounded(600'000));
    } else if (isWanted()) {
        clause.verdicts = {anyOf<Verdict>(random, allVerdicts), Verdict::Clean};
    }
    const QStringList origins{QStringLiteral("https://*.example.org"), QStringLiteral("file:"),
        QStringLiteral("*://[::1]:8080"), QStringLiteral("http://*:*")};
    if (isWanted())
        clause.origins = {*OriginPattern::parse(anyOf<QString>(random, origins))};
    if (isWanted())
        clause.mimeTypes = QStringList{QStringLiteral("image/*"), QStringLiteral("a/b+c")};
    if (isWanted())
        clause.fileTypes = {FileType::Archive, FileType(random.bounded(8))};
    if (isWanted())
        clause.leastBytes = random.bounded(1, 1 << 20);
    if (isWanted())
        clause.mostBytes = (1 << 20) + random.bounded(3) - 1;
    if (clause.toString().endsWith(QStringLiteral(" if"))) // without a condition
        clause.fileTypes = {FileType::Text};
    return clause;
}

} // namespace

//! The language of clauses, and the patterns of origins in it.
class PolicyClauseTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void parse_good_isPrintedInOneWay_data();
    void parse_good_isPrintedInOneWay();
    void parse_printed_isTheSame();
    void parse_bad_saysWhereAndWhat_data();
    void parse_bad_saysWhereAndWhat();
    void parse_mutated_isGoodOrSaysWhere();
    void origin_pattern_matches_data();
    void origin_pattern_matches();
    void origin_badPattern_saysWhat_data();
    void origin_badPattern_saysWhat();
    void explainMiss_everyPart_namesWhatIsThere();
};

void PolicyClauseTest::parse_good_isPrintedInOneWay_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("printed"); // empty: the same
    const auto add = [](const char *text, const char *printed = "") {
        QTest::newRow(text) << QString::fromLatin1(text) << QString::fromLatin1(printed);
    };
    add("release if verdict=Suspicious origin=https://*.example.org type=archive size<10MiB");
    add("quarantine if reason=Encrypted,Damaged");
    add("warn hold=5s if reason=QueueFull,ScannerUnavailable");
    add("warn hold=0ms if reason=QueueFull");
    add("block if mime=application/*,text/html,*/*");
    add("block if size>=1KiB size<1MiB");
    add("block if size<=10B");
    add("release if reason=TooLarge verdict=NotScanned",
        "release if verdict=NotScanned reason=TooLarge");
    add("  BLOCK   if  type=ARCHIVE,Text ", "block if type=archive,text");
    add("Release if verdict=clean,MALICIOUS", "release if verdict=Clean,Malicious");
    add("block if mime=Text/HTML", "block if mime=text/html");
    add("block if size>1023B size<=1048575B", "block if size>=1KiB size<1MiB");
    add("block if size>0B", "block if size>=1B");
    add("block if origin=HTTPS://B.Example:443", "block if origin=https://b.example:443");
}

void PolicyClauseTest::parse_good_isPrintedInOneWay()
{
    QFETCH(QString, text);
    QFETCH(QString, printed);
    const auto clause = PolicyClause::parse(text);
    QVERIFY2(clause, clause ? "" : qPrintable(clause.error()));
    QCOMPARE(clause->toString(), printed.isEmpty() ? text : printed);
    QVERIFY(*PolicyClause::parse(clause->toString()) == *clause);
}

void PolicyClauseTest::parse_printed_isTheSame()
{
    QRandomGenerator random(1);
    for (int round = 0; round < 5'000; ++round) {
        const PolicyClause clause = anyClause(random);
        const QString text = clause.toString();
        const auto read = PolicyClause::parse(text);
        QVERIFY2(read, qPrintable(text + (read ? QString() : read.error())));
        QVERIFY2(*read == clause, qPrintable(text));
    }
}

void PolicyClauseTest::parse_bad_saysWhereAndWhat_data()
{
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("problem"); // as it begins
    const auto add = [](const char *text, const char *problem) {
        QTest::newRow(text) << QString::fromUtf8(text) << QString::fromUtf8(problem);
    };
    add("", "at 1: \"\" is none of release, warn, block, quarantine");
    add("allow if type=text", "at 1: \"allow\" is none of");
    add("release", "at 8: here \"if\" is missing");
    add("release type=text", "at 9: here \"if\" is missing");
    add("release IF type=text", "at 9: here \"if\" is missing");
    add("release if", "at 11: a condition is missing");
    add("release if type", "at 12: \"type\" is no condition");
    add("release if =text", "at 12: \"=text\" is no condition");
    add("release if types=text", "at 12: \"types=text\" is no condition");
    add("release if type=", "at 12: \"\" is no file type");
    add("release if type=text,", "at 12: \"\" is no file type");
    add("release if type=text type=media", "at 22: type= was given before");
    add("release if TYPE=text", "at 12: \"TYPE=text\" is no condition");
    add("release if type = text", "at 12: \"type\" is no condition");
    add("release if type=text\n", "at 12: \"text\n\" is no file type");
    add("release if type=text\tsize<1B", "at 12: \"text\tsize<1B\" is no file type");
    add("release if verdict=Bad", "at 12: \"Bad\" is none of Clean, Suspicious, Malicious");
    add("release if verdict=\"Clean\"", "at 12: \"\"Clean\"\" is none of");
    add("release if reason=None", "at 12: \"None\" is no reason");
    add("release if reason=Full", "at 12: \"Full\" is no reason");
    add("release if reason=Cancelled", "at 12: \"Cancelled\" is no matter of policy");
    add("block if reason=Unreadable", "at 10: \"Unreadable\" is no matter of policy");
    add("block if verdict=Malicious reason=TimedOut", "at 43: a reason= goes with NotScanned");
    add("release hold=5 if reason=QueueFull", "at 9: \"5\" is no time such as");
    add("release hold=-1s if reason=QueueFull", "at 9: \"-1s\" is no time");
    add("release hold=1h if reason=QueueFull",
        "at 9: \"1h\" is no time such as 500ms or 5s, up "
        "to 10 min");
    add("release hold=5s if reason=QueueFull,TimedOut", "at 45: hold= goes with");
    add("release hold=5s if type=text", "at 29: hold= goes with");
    add("release if hold=5s", "at 12: \"hold=5s\" is no condition");
    add("release if size=5B", "at 12: \"size=5B\" is no size<");
    add("release if size<5", "at 12: \"5\" is no size such as");
    add("release if size<5MB", "at 12: \"5MB\" is no size such as");
    add("release if size<0B", "at 12: \"0B\" is no size");
    add("release if size>9223372036854775807B", "at 12: \"9223372036854775807B\" is no size");
    add("release if size<5B size<=6B", "at 20: size< was given before");
    add("release if size>5B size<6B", "at 27: no size fits");
    add("release if mime=text", "at 12: \"text\" is no MIME type");
    add("release if mime=*/html", "at 12: \"*/html\" is no MIME type");
    add("release if mime=text/h*", "at 12: \"text/h*\" is no MIME type");
    add("release if mime=text/", "at 12: \"text/\" is no MIME type");
    add("release if mime=text/html;charset=x", "at 12: \"text/html;charset=x\" is no MIME type");
    add("release if mime=t\xc3\xa9xt/html", "at 12: \"t\xc3\xa9xt/html\" is no MIME type");
    add("release if origin=example.org", "at 12: \"example.org\": no scheme");
    QTest::newRow("long") << QStringLiteral("block if type=text ")
            + QString(Limits::maxClauseCharacters, u' ')
                          << QStringLiteral("has more than 4096 characters");
}

void PolicyClauseTest::parse_bad_saysWhereAndWhat()
{
    QFETCH(QString, text);
    QFETCH(QString, problem);
    const auto clause = PolicyClause::parse(text);
    QVERIFY(!clause);
    QVERIFY2(clause.error().startsWith(problem), qPrintable(clause.error()));
}

void PolicyClauseTest::parse_mutated_isGoodOrSaysWhere()
{
    QRandomGenerator random(2);
    int good = 0;
    for (int round = 0; round < 20'000; ++round) {
        QString text = anyClause(random).toString();
        for (int i = random.bounded(3); i >= 0; --i) {
            const auto at = random.bounded(text.size());
            if (random.bounded(2) == 0)
                text[at] = QChar(random.bounded(2) == 0 ? random.bounded(128) : 0x202e);
            else
                text.remove(at, random.bounded(5));
            if (text.isEmpty())
                break;
        }
        const auto clause = PolicyClause::parse(text);
        good += clause.has_value();
        if (clause)
            QVERIFY2(*PolicyClause::parse(clause->toString()) == *clause, qPrintable(text));
        else
            QVERIFY2(clause.error().startsWith(QStringLiteral("at ")), qPrintable(clause.error()));
    }
    QVERIFY(good > 100 && good < 15'000);
}

void PolicyClauseTest::origin_pattern_matches_data()
{
    QTest::addColumn<QString>("pattern");
    QTest::addColumn<QStringList>("those");
    QTest::addColumn<QStringList>("others");
    const auto add = [](const char *pattern, const QStringList &those, const QStringList &others) {
        QTest::newRow(pattern) << QString::fromUtf8(pattern) << those << others;
    };
    add("https://example.org",
        {QStringLiteral("https://example.org/x"), QStringLiteral("https://EXAMPLE.org:443"),
            QStringLiteral("blob:https://example.org/1"), QStringLiteral("https://u@example.org"),
            QStringLiteral("https://example.org./x")},
        {QStringLiteral("http://example.org"), QStringLiteral("https://example.org:444"),
            QStringLiteral("https://www.example.org"), QStringLiteral("https://example.org.evil"),
            QStringLiteral("https://evilexample.org"), QStringLiteral("https:")});
    add("https://*.example.org",
        {QStringLiteral("https://a.example.org"), QStringLiteral("https://a.b.example.org."),
            QStringLiteral("https://A.Example.ORG/x?y")},
        {QStringLiteral("https://example.org"), QStringLiteral("https://evilexample.org"),
            QStringLiteral("https://a.example.org:8443"), QStringLiteral("http://a.example.org"),
            QStringLiteral("https://a.example.org.evil"), QStringLiteral("https://.example.org")});
    add("*://intranet:8080",
        {QStringLiteral("http://intranet:8080"), QStringLiteral("https://intranet:8080/x")},
        {QStringLiteral("http://intranet"), QStringLiteral("http://intranet.:8080"),
            QStringLiteral("http://x.intranet:8080")});
    add("*://intranet",
        {QStringLiteral("http://intranet"), QStringLiteral("https://intranet"),
            QStringLiteral("ftp://intranet")},
        {QStringLiteral("http://intranet:443"), QStringLiteral("https://intranet:80")});
    add("http://*:*",
        {QStringLiteral("http://a"), QStringLiteral("http://[::1]:99"),
            QStringLiteral("http://1.2.3.4")},
        {QStringLiteral("https://a"), QStringLiteral("http:"), QStringLiteral("data:,x")});
    add("https://*", {QStringLiteral("https://a")},
        {QStringLiteral("https://a:444"), QStringLiteral("http://a")});
    add("file:", {QStringLiteral("file:///etc/passwd")},
        {QStringLiteral("file://host/etc"), QStringLiteral("data:,x"), QStringLiteral("")});
    add("http://[::1]:8080", {QStringLiteral("http://[::1]:8080/x")},
        {QStringLiteral("http://[::1]"), QStringLiteral("http://[::2]:8080")});
    add("https://b\xc3\xbc"
        "cher.example",
        {QStringLiteral("https://xn--bcher-kva.example")},
        {QStringLiteral("https://bucher.example")});
}

void PolicyClauseTest::origin_pattern_matches()
{
    QFETCH(QString, pattern);
    QFETCH(QStringList, those);
    QFETCH(QStringList, others);
    const auto origins = OriginPattern::parse(pattern);
    QVERIFY2(origins, origins ? "" : qPrintable(origins.error()));
    for (const QString &url : those)
        QVERIFY2(origins->matches(Origin::of(QUrl(url))), qPrintable(url));
    for (const QString &url : others)
        QVERIFY2(!origins->matches(Origin::of(QUrl(url))), qPrintable(url));
    QVERIFY(*OriginPattern::parse(origins->toString()) == *origins);
}

void PolicyClauseTest::origin_badPattern_saysWhat_data()
{
    QTest::addColumn<QString>("pattern");
    QTest::addColumn<QString>("problem");
    const auto add = [](const char *pattern, const char *problem) {
        QTest::newRow(pattern) << QString::fromUtf8(pattern) << QString::fromUtf8(problem);
    };
    add("", "no scheme");
    add("*", "no scheme");
    add("*.example.org", "no scheme");
    add("*:", "the scheme is named");
    add(":", "the scheme is a name");
    add("://example.org", "the scheme is a name");
    add("h*://example.org", "the scheme is a name");
    add("1http://example.org", "the scheme is a name");
    add("https:example.org", "// follows");
    add("https:/example.org", "// follows");
    add("https://", "a host is missing");
    add("https://:80", "a host is missing");
    add("https://example.org/", "no path");
    add("https://example.org/x", "no path");
    add("https://example.org?x", "no path");
    add("https://example.org#x", "no path");
    add("https://user@example.org", "no user");
    add("https://*example.org", "a * is the whole host");
    add("https://a.*.org", "a * is the whole host");
    add("https://*.", "this is no host");
    add("https://**", "a * is the whole host");
    add("https://exa mple.org", "this is no host");
    add("https://exa%6dple.org%", "this is no host");
    add("https://[::1", "this is no host");
    add("https://example.org:", "a port is a number");
    add("https://example.org:0", "a port is a number");
    add("https://example.org:65536", "a port is a number");
    add("https://example.org:+80", "a port is a number");
    add("https://example.org:80x", "a port is a number");
    add("https://example.org:80:80", "a port is a number");
}

void PolicyClauseTest::origin_badPattern_saysWhat()
{
    QFETCH(QString, pattern);
    QFETCH(QString, problem);
    const auto origins = OriginPattern::parse(pattern);
    QVERIFY2(!origins, origins ? qPrintable(origins->toString()) : "");
    QVERIFY2(origins.error().contains(problem), qPrintable(origins.error()));
}

void PolicyClauseTest::explainMiss_everyPart_namesWhatIsThere()
{
    PolicyFacts facts;
    facts.verdict = Verdict::NotScanned;
    facts.reason = Reason::Encrypted;
    facts.origin = Origin::of(QUrl(QStringLiteral("https://example.org/x")));
    facts.mimeType = QStringLiteral("image/png");
    facts.fileType = FileType::Media;
    facts.sizeBytes = 3072;
    using Part = PolicyClause::Part;
    const std::vector<std::pair<const char *, Part>> clauses{
        {"block if verdict=Clean", Part::Verdict}, {"block if reason=Damaged", Part::Reason},
        {"block if origin=file:", Part::Origin}, {"block if mime=image/gif", Part::MimeType},
        {"block if type=text", Part::FileType}, {"block if size<3KiB", Part::Size}};
    const QStringList words{QStringLiteral("NotScanned"), QStringLiteral("Encrypted"),
        QStringLiteral("https://example.org"), QStringLiteral("image/png"), QStringLiteral("media"),
        QStringLiteral("3 KiB")};
    for (size_t i = 0; i < clauses.size(); ++i) {
        const auto clause = PolicyClause::parse(QString::fromLatin1(clauses[i].first));
        QVERIFY(clause->failing(facts) == clauses[i].second);
        const QString why = explainMiss(*clause->failing(facts), facts);
        QVERIFY2(why.contains(words[qsizetype(i)]), qPrintable(why));
    }
}

QTEST_APPLESS_MAIN(PolicyClauseTest)
#include "tst_policyclause.moc"
