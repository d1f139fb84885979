// SPDX-License-Identifier: MIT
#pragma once

#include <QSqlDatabase>
#include <QSqlQuery>
#include <QString>
#include <QVariant>

#include <chrono>
#include <expected>
#include <functional>
#include <optional>

class QThread;

namespace Sentinel {

//! \brief The SQLite file in the state directory in which releases and runs of jobs are kept.
//!
//! Several processes use it at once, each through objects of this class. It is opened by the first
//! transaction, and again if somebody has put another file in its place. One that is broken is
//! moved aside, with a notice, and a new one begun; one of a newer version of this program is left
//! alone.
//!
//! Owner:  a store.
//! Thread: the one that uses it first (asserted), destruction too: its connection belongs to it.
//! Blocks: for the disk, and for other processes up to the busy timeout.
class StateDatabase {
public:
    enum class Access : quint8 {
        ReadWrite, //!< makes the directory and the file
        ReadOnly, //!< makes nothing: where there is no file, nothing is found
    };
    //! What of a transaction outlives the machine's loss of power. Its end by a kill: all, always.
    enum class Durability : quint8 {
        OnDisk, //!< waits for the disk
        Soon, //!< the last ones may be lost
    };

    StateDatabase(QString path, Access access, std::chrono::milliseconds busyTimeout);
    ~StateDatabase();
    Q_DISABLE_COPY_MOVE(StateDatabase)

    //! \brief One SQL statement and its values. After a failure all that follows fails.
    class Statement {
    public:
        Statement(StateDatabase &database, const char *sql);
        Statement &operator<<(const QVariant &value);
        bool run();
        bool next() { return m_query.next(); }
        QVariant value(int column) const { return m_query.value(column); }
        int rowsChanged() const { return m_query.numRowsAffected(); }
        qint64 newId() const { return m_query.lastInsertId().toLongLong(); }

    private:
        StateDatabase &m_database;
        QSqlQuery m_query;
    };

    //! Runs \p work in one transaction: all of it happens, if it returns true, or nothing. It may
    //! be run twice, the second time on another file. The error is a sentence for people.
    [[nodiscard]] std::expected<void, QString> transact(
        Durability durability, const std::function<bool()> &work);
    //! As transact(), for work that only reads.
    [[nodiscard]] std::expected<void, QString> read(const std::function<bool()> &work);
    //! The same for work that fills in its result, which is empty when it begins.
    template <typename Result, typename Work>
    [[nodiscard]] std::expected<Result, QString> transact(Durability durability, Work work)
    {
        return filled<Result>(work, [this, durability](const std::function<bool()> &filling) {
            return transact(durability, filling);
        });
    }
    template <typename Result, typename Work>
    [[nodiscard]] std::expected<Result, QString> read(Work work)
    {
        return filled<Result>(
            work, [this](const std::function<bool()> &filling) { return read(filling); });
    }
    //! Leaves nothing in the journal of what was overwritten, as far as nobody else reads there.
    void emptyJournal();

    //! That a file was moved aside, and where to; once.
    QString takeNotice() { return std::exchange(m_notice, {}); }

private:
    struct Failure {
        int code = 0; // SQLite's; 0: none
        QString text;
    };

    template <typename Result, typename Work, typename Run>
    static std::expected<Result, QString> filled(Work work, Run run)
    {
        Result result{};
        const auto done = run([&] {
            result = Result{};
            return work(result);
        });
        return done ? std::expected<Result, QString>(std::move(result))
                    : std::unexpected(done.error());
    }

    [[nodiscard]] std::expected<void, QString> attempt(
        const char *begin, Durability durability, const std::function<bool()> &work);
    bool perform(const char *begin, Durability durability, const std::function<bool()> &work);
    bool open();
    bool openFile();
    bool prepareFile();
    bool setUp();
    bool useJournal();
    bool isSound();
    bool makeTables();
    bool isStillThere() const;
    void close();
    bool moveAside();
    bool run(const char *sql);
    std::optional<QVariant> ask(const char *sql);
    bool fail(int code, const QString &text);
    bool fail(const QSqlError &error);
    QString sentence() const;

    const QString m_path;
    const Access m_access;
    const std::chrono::milliseconds m_busyTimeout;
    const QString m_connection;
    QThread *m_thread = nullptr;
    QSqlDatabase m_database;
    quint64 m_device = 0; // of the file that is open
    quint64 m_inode = 0;
    Durability m_durability = Durability::OnDisk;
    Failure m_failure;
    QString m_notice;
};

} // namespace Sentinel
