// SPDX-License-Identifier: MIT
#include "SecurityTap/Logging.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/history/StateDatabase_p.h"
#include "SecurityTap/store/StorePaths.h"
#include "ipc/Retried_p.h"

#include <QDateTime>
#include <QFile>
#include <QFileInfo>
#include <QSqlError>
#include <QThread>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr int schemaVersion = 1;
constexpr mode_t privateFileMode = 0600;
constexpr int journalTries = 10; // each waits for those who are there by then

// SQLite's primary result codes (https://www.sqlite.org/rescode.html).
constexpr int sqliteError = 1;
constexpr int sqliteBusy = 5;
constexpr int sqliteReadOnly = 8;
constexpr int sqliteInputOutput = 10;
constexpr int sqliteCorrupt = 11;
constexpr int sqliteFull = 13;
constexpr int sqliteCannotOpen = 14;
constexpr int sqliteNotADatabase = 26;
constexpr int primaryCode = 0xff;
// Not one of SQLite's.
constexpr int newerVersion = 1000;

constexpr const char *schema[]{
    "CREATE TABLE releases ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,"
    " size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, sha256 BLOB NOT NULL,"
    " url TEXT NOT NULL, referrer TEXT NOT NULL, name TEXT NOT NULL, mime TEXT NOT NULL,"
    " is_private INTEGER NOT NULL, verdict INTEGER NOT NULL, reason INTEGER NOT NULL,"
    " rules BLOB NOT NULL, released_ms INTEGER NOT NULL,"
    " state INTEGER NOT NULL, ending INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL DEFAULT 0,"
    " judged_for BLOB NOT NULL DEFAULT x'',"
    " claim TEXT NOT NULL DEFAULT '', claimant TEXT NOT NULL DEFAULT '',"
    " claim_until_ms INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX releases_by_state ON releases (state, due_ms)",
    "CREATE INDEX releases_by_time ON releases (released_ms)",
    "CREATE INDEX releases_by_hash ON releases (sha256)",
    "CREATE TABLE job_runs ("
    " name TEXT PRIMARY KEY, ran_ms INTEGER NOT NULL DEFAULT 0,"
    " took_ms INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0,"
    " result TEXT NOT NULL DEFAULT '', due_ms INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, runs INTEGER NOT NULL DEFAULT 0,"
    " claim TEXT NOT NULL DEFAULT '', claimant TEXT NOT NULL DEFAULT '',"
    " claim_until_ms INTEGER NOT NULL DEFAULT 0)",
};

QString newConnectionName()
{
    static std::atomic<quint64> last{0};
    return QStringLiteral("sentinel-state-%1").arg(++last);
}

QString systemText(int error)
{
    return QString::fromLocal8Bit(std::strerror(error));
}

bool meansBroken(int code)
{
    return code == sqliteCorrupt || code == sqliteNotADatabase;
}

} // namespace

StateDatabase::StateDatabase(QString path, Access access, std::chrono::milliseconds busyTimeout)
    : m_path(std::move(path))
    , m_access(access)
    , m_busyTimeout(busyTimeout)
    , m_connection(newConnectionName())
{
}

StateDatabase::~StateDatabase()
{
    Q_ASSERT(!m_thread || m_thread == QThread::currentThread());
    close();
}

StateDatabase::Statement::Statement(StateDatabase &database, const char *sql)
    : m_database(database), m_query(database.m_database)
{
    m_query.setForwardOnly(true);
    if (database.m_failure.code == 0 && !m_query.prepare(QLatin1StringView(sql)))
        database.fail(m_query.lastError());
}

StateDatabase::Statement &StateDatabase::Statement::operator<<(const QVariant &value)
{
    // What is null in Qt would be NULL there: no column has that.
    if (value.typeId() == QMetaType::QByteArray && value.toByteArray().isNull())
        m_query.addBindValue(QByteArray(""));
    else if (value.typeId() == QMetaType::QString && value.toString().isNull())
        m_query.addBindValue(QStringLiteral(""));
    else
        m_query.addBindValue(value);
    return *this;
}

bool StateDatabase::Statement::run()
{
    if (m_database.m_failure.code != 0)
        return false;
    return m_query.exec() || m_database.fail(m_query.lastError());
}

std::expected<void, QString> StateDatabase::transact(
    Durability durability, const std::function<bool()> &work)
{
    // A plain BEGIN would find out that others write when it is too late to wait for them.
    return attempt("BEGIN IMMEDIATE", durability, work);
}

std::expected<void, QString> StateDatabase::read(const std::function<bool()> &work)
{
    return attempt("BEGIN", m_durability, work);
}

std::expected<void, QString> StateDatabase::attempt(
    const char *begin, Durability durability, const std::function<bool()> &work)
{
    m_failure = {};
    if (!m_thread)
        m_thread = QThread::currentThread();
    Q_ASSERT(m_thread == QThread::currentThread());
    if (m_access == Access::ReadOnly && !QFileInfo::exists(m_path))
        return {};
    if (perform(begin, durability, work))
        return {};
    if (meansBroken(m_failure.code) && m_access == Access::ReadWrite && moveAside()) {
        m_failure = {};
        if (perform(begin, durability, work))
            return {};
    }
    QString text = sentence();
    close();
    return std::unexpected(std::move(text));
}

bool StateDatabase::perform(
    const char *begin, Durability durability, const std::function<bool()> &work)
{
    if (!open())
        return false;
    if (durability != m_durability) {
        // (Has no effect inside of a transaction.)
        if (!run(durability == Durability::OnDisk ? "PRAGMA synchronous=FULL"
                                                  : "PRAGMA synchronous=NORMAL"))
            return false;
        m_durability = durability;
    }
    if (!run(begin))
        return false;
    if (work() && m_failure.code == 0 && run("COMMIT"))
        return true;
    const Failure failure = m_failure;
    run("ROLLBACK");
    m_failure = failure.code != 0 ? failure : Failure{sqliteError, QStringLiteral("no result")};
    return false;
}

bool StateDatabase::open()
{
    if (m_database.isOpen() && isStillThere())
        return true;
    close();
    return openFile();
}

bool StateDatabase::openFile()
{
    if (m_access == Access::ReadWrite && !prepareFile())
        return false;
    m_database = QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"), m_connection);
    if (!m_database.isValid()) {
        return fail(sqliteError,
            QStringLiteral("Qt's driver for SQLite is missing (package libqt6sql6-sqlite)"));
    }
    m_database.setDatabaseName(m_path);
    QString options = QStringLiteral("QSQLITE_BUSY_TIMEOUT=%1").arg(m_busyTimeout.count());
    if (m_access == Access::ReadOnly)
        options += QLatin1String(";QSQLITE_OPEN_READONLY");
    m_database.setConnectOptions(options);
    if (!m_database.open())
        return fail(m_database.lastError());
    struct stat status { };
    if (::lstat(QFile::encodeName(m_path).constData(), &status) != 0)
        return fail(sqliteCannotOpen, systemText(errno));
    m_device = status.st_dev;
    m_inode = status.st_ino;
    return setUp();
}

//! Makes the file, for its user alone: SQLite gives its journal the same mode. Never opens it: to
//! close it again would end all locks that this process has on it.
bool StateDatabase::prepareFile()
{
    const auto directory = openPrivateDirectory(QFileInfo(m_path).path());
    if (!directory)
        return fail(sqliteCannotOpen, directory.error());
    const QByteArray name = QFile::encodeName(QFileInfo(m_path).fileName());
    if (::mknodat(directory->get(), name.constData(), S_IFREG | privateFileMode, 0) != 0
        && errno != EEXIST)
        return fail(
            errno == ENOSPC || errno == EDQUOT ? sqliteFull : sqliteCannotOpen, systemText(errno));
    struct stat status { };
    if (::fstatat(directory->get(), name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(sqliteCannotOpen, systemText(errno));
    if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid())
        return fail(sqliteCannotOpen, QStringLiteral("it is no file of yours"));
    if ((status.st_mode & 077) != 0
        && ::fchmodat(directory->get(), name.constData(), privateFileMode, 0) != 0)
        return fail(sqliteCannotOpen, systemText(errno));
    return true;
}

bool StateDatabase::setUp()
{
    if (m_access == Access::ReadOnly)
        return true;
    m_durability = Durability::OnDisk;
    return useJournal() && run("PRAGMA synchronous=FULL") && run("PRAGMA secure_delete=ON")
        && isSound() && makeTables();
}

//! Writes ahead, so that who reads and who writes do not wait for each other. Two processes that
//! begin a file at once get in each other's way without SQLite's patience: so with ours.
bool StateDatabase::useJournal()
{
    for (int i = 0; i < journalTries; ++i) {
        m_failure = {};
        const auto mode = ask("PRAGMA journal_mode=WAL");
        if (mode && mode->toString() == QLatin1String("wal"))
            return true;
        if (m_failure.code != 0 && m_failure.code != sqliteBusy)
            return false;
        m_failure = {};
        if (!run("BEGIN IMMEDIATE") || !run("COMMIT"))
            return false;
    }
    return fail(sqliteBusy, QStringLiteral("its journal cannot be begun"));
}

bool StateDatabase::isSound()
{
    const auto answer = ask("PRAGMA quick_check(1)");
    if (!answer)
        return false;
    return answer->toString() == QLatin1String("ok") || fail(sqliteCorrupt, answer->toString());
}

bool StateDatabase::makeTables()
{
    const auto version = ask("PRAGMA user_version");
    if (!version)
        return false;
    if (version->toInt() > schemaVersion)
        return fail(newerVersion, QString());
    if (version->toInt() == schemaVersion)
        return true;
    if (!run("BEGIN IMMEDIATE"))
        return false;
    // Another process may have been first.
    const auto meanwhile = ask("PRAGMA user_version");
    bool isMade = meanwhile && meanwhile->toInt() >= schemaVersion;
    if (meanwhile && !isMade) {
        isMade = true;
        for (const char *sql : schema)
            isMade = isMade && run(sql);
        isMade = isMade && run("PRAGMA user_version=1");
        static_assert(schemaVersion == 1);
    }
    if (isMade && run("COMMIT"))
        return true;
    const Failure failure = m_failure;
    run("ROLLBACK");
    m_failure = failure;
    return false;
}

bool StateDatabase::isStillThere() const
{
    struct stat status { };
    return ::lstat(QFile::encodeName(m_path).constData(), &status) == 0 && status.st_dev == m_device
        && status.st_ino == m_inode;
}

void StateDatabase::close()
{
    if (!m_database.isValid())
        return;
    m_database = QSqlDatabase(); // else it is still in use
    QSqlDatabase::removeDatabase(m_connection);
}

//! Gives the broken file another name, if it is still the one that was found broken: another
//! process may have been here meanwhile.
bool StateDatabase::moveAside()
{
    const quint64 device = std::exchange(m_device, 0);
    const quint64 inode = std::exchange(m_inode, 0);
    close();
    const auto directory = openPrivateDirectory(QFileInfo(m_path).path());
    if (!directory || ::flock(directory->get(), LOCK_EX | LOCK_NB) != 0)
        return false;
    const QByteArray path = QFile::encodeName(m_path);
    struct stat status { };
    if (::lstat(path.constData(), &status) != 0)
        return errno == ENOENT;
    if (status.st_dev != device || status.st_ino != inode)
        return true;
    const QByteArray aside =
        path + ".broken-" + QByteArray::number(QDateTime::currentMSecsSinceEpoch());
    for (const char *suffix : {"-wal", "-shm"}) {
        if (::rename((path + suffix).constData(), (aside + suffix).constData()) != 0
            && errno != ENOENT)
            return false;
    }
    if (::rename(path.constData(), aside.constData()) != 0)
        return false;
    m_notice = QStringLiteral("%1 was broken (%2): it is now called %3, and a new one was begun; "
                              "what was to be scanned again is no longer known")
                   .arg(m_path, m_failure.text, QFile::decodeName(aside));
    qCCritical(logTap).noquote() << printable(m_notice);
    return true;
}

void StateDatabase::emptyJournal()
{
    ask("PRAGMA wal_checkpoint(TRUNCATE)"); // who reads meanwhile keeps it; nothing is lost by that
    m_failure = {};
}

bool StateDatabase::run(const char *sql)
{
    QSqlQuery query(m_database);
    return query.exec(QLatin1StringView(sql)) || fail(query.lastError());
}

std::optional<QVariant> StateDatabase::ask(const char *sql)
{
    QSqlQuery query(m_database);
    if (!query.exec(QLatin1StringView(sql)) || !query.next()) {
        fail(query.lastError());
        return std::nullopt;
    }
    return query.value(0);
}

bool StateDatabase::fail(int code, const QString &text)
{
    if (m_failure.code == 0)
        m_failure = {code, text};
    return false;
}

bool StateDatabase::fail(const QSqlError &error)
{
    const int code = error.nativeErrorCode().toInt() & primaryCode;
    return fail(code != 0 ? code : sqliteError, error.databaseText());
}

QString StateDatabase::sentence() const
{
    const auto say = [this](const char *what, const char *advice) {
        return QStringLiteral("%1: %2 (%3); %4")
            .arg(printable(m_path), QLatin1StringView(what), printable(m_failure.text),
                QLatin1StringView(advice));
    };
    switch (m_failure.code) {
    case sqliteBusy:
        return say("another process keeps this file busy", "it is tried again");
    case sqliteFull:
        return say("the disk is full", "make room");
    case sqliteReadOnly:
    case sqliteCannotOpen:
        return say("this file cannot be opened for writing", "see to its permissions, or its disk");
    case sqliteInputOutput:
        return say("the disk fails", "make room, or look after the disk");
    case sqliteCorrupt:
    case sqliteNotADatabase:
        return say("this file is broken", "move it away");
    case newerVersion:
        return QStringLiteral("%1: a newer version of this program has made this file; use that "
                              "one, or move the file away")
            .arg(printable(m_path));
    default:
        return say("this file cannot be used", "move it away if that stays so");
    }
}

} // namespace Sentinel
