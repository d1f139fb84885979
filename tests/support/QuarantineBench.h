// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/quarantine/Quarantine.h"
#include "tests/support/CliRun.h"

#include <QCryptographicHash>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QTemporaryDir>

#include <memory>

namespace Sentinel::Test {

//! \brief A directory that goes with this; in memory where the system has a place for it, because
//! stores wait for the disk often.
class FastDirectory {
public:
    FastDirectory() : m_directory(base() + QStringLiteral("/sentinel-test-XXXXXX")) { }

    QString path(const QString &name = {}) const
    {
        return name.isEmpty() ? m_directory.path() : m_directory.filePath(name);
    }

private:
    static QString base()
    {
        const QString memory = QStringLiteral("/dev/shm");
        return QFileInfo(memory).isWritable() ? memory : QDir::tempPath();
    }

    QTemporaryDir m_directory;
};

//! \brief Bytes that tell where they belong.
inline QByteArray patternOf(qint64 size, quint32 seed = 1)
{
    QByteArray bytes(size, Qt::Uninitialized);
    for (qint64 i = 0; i < size; ++i)
        bytes[i] = static_cast<char>(((quint64(i) + seed) * 2'654'435'761U) >> 13);
    return bytes;
}

//! \brief The bytes of a file, or a text that no test stores.
inline QByteArray bytesOf(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("(no such file)");
}

inline Quarantine::ReadAt readerOfBytes(const QByteArray &bytes)
{
    return [bytes](std::span<char> target, qint64 offset) -> std::expected<qint64, QString> {
        const auto size =
            std::min(qint64(target.size()), std::max<qint64>(bytes.size() - offset, 0));
        std::copy_n(bytes.cbegin() + offset, size, target.begin());
        return size;
    };
}

//! \brief What a scan would say of \p bytes.
inline QuarantineRecord recordOf(const QByteArray &bytes)
{
    QuarantineRecord record;
    record.directory = QStringLiteral("/home/somebody/Downloads");
    record.name = QStringLiteral("setup.exe");
    record.url = QUrl(QStringLiteral("https://example.org/setup.exe"));
    record.referrer = QUrl(QStringLiteral("https://example.org/"));
    record.mimeType = QStringLiteral("application/octet-stream");
    record.sha256 = QCryptographicHash::hash(bytes, QCryptographicHash::Sha256);
    record.sizeBytes = bytes.size();
    record.verdict = Verdict::Malicious;
    record.findings = {QStringLiteral("EICAR_Test_File")};
    record.clause = QStringLiteral("malicious = quarantine");
    return record;
}

//! \brief The quarantine in \p directory, which has to open.
inline std::unique_ptr<Quarantine> openQuarantine(
    const QString &directory, QuarantineLimits limits = {})
{
    auto opened = Quarantine::open(directory, limits);
    if (!opened)
        qFatal("%s", qUtf8Printable(opened.error().message));
    return *std::move(opened);
}

//! \brief The item that \p bytes have become, which has to go well.
inline QuarantineItem takeBytes(
    const Quarantine &quarantine, const QByteArray &bytes, const QuarantineRecord &record)
{
    auto taken = quarantine.take(readerOfBytes(bytes), bytes.size(), record);
    if (!taken)
        qFatal("%s", qUtf8Printable(taken.error().message));
    return *std::move(taken);
}

inline QuarantineItem takeBytes(const Quarantine &quarantine, const QByteArray &bytes)
{
    return takeBytes(quarantine, bytes, recordOf(bytes));
}

//! \brief The content of an item, by way of a file in \p scratch; or what went wrong.
inline QByteArray contentOfItem(
    const Quarantine &quarantine, const QString &id, const QString &scratch)
{
    const auto path =
        quarantine.restore(id, {scratch, id + QStringLiteral(".out"), QStringLiteral("a test")});
    if (!path)
        return path.error().message.toUtf8();
    const QByteArray bytes = bytesOf(*path);
    QFile::remove(*path);
    return bytes;
}

} // namespace Sentinel::Test
