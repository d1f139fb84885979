// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Sha256.h"
#include "SecurityTap/quarantine/QuarantineKey_p.h"
#include "ipc/FileDescriptor.h"
#include "ipc/Retried_p.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr char keyName[] = "key";
constexpr char unfinishedKeyName[] = "key.part";
constexpr char keyMagic[] = "SNTLKEY1"; // eight bytes, without the end of the text
constexpr size_t keyMagicBytes = 8;
constexpr size_t keyCheckBytes = 32;
// What it is, the key, and the SHA-256 of both, so that a changed key is not taken for changed
// items.
using KeyFile = std::array<uchar, keyMagicBytes + sizeof(SealKey) + keyCheckBytes>;

QByteArray keyCheck(const KeyFile &file)
{
    Sha256 hash;
    hash.add(std::span(file).first(file.size() - keyCheckBytes));
    return hash.result();
}

std::unexpected<QuarantineError> keyTrouble(const char *what)
{
    return std::unexpected(quarantineSystemError(errno,
        QStringLiteral("The key of the quarantine cannot be %1").arg(QLatin1StringView(what))));
}

} // namespace

std::expected<std::optional<SealKey>, QuarantineError> readQuarantineKey(int directory)
{
    const FileDescriptor file(retried([&] {
        return ::openat(directory, keyName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
    if (!file.isValid()) {
        if (errno == ENOENT)
            return std::nullopt;
        return keyTrouble("opened");
    }
    KeyFile bytes{};
    struct stat status { };
    if (::fstat(file.get(), &status) != 0)
        return keyTrouble("read");
    const ssize_t got = retried([&] { return ::pread(file.get(), bytes.data(), bytes.size(), 0); });
    if (got < 0)
        return keyTrouble("read");
    const bool isGood = S_ISREG(status.st_mode) && status.st_size == qint64(bytes.size())
        && got == ssize_t(bytes.size()) && std::equal(bytes.begin(), bytes.begin() + 8, keyMagic)
        && std::ranges::equal(std::span(bytes).last(keyCheckBytes), keyCheck(bytes),
            [](uchar a, char b) { return a == uchar(b); });
    if (!isGood)
        return std::unexpected(QuarantineError{QuarantineError::Code::Damaged,
            QStringLiteral("The key of the quarantine (the file \"key\" in its directory) is not "
                           "as it was made; no item can be used without it. Take it from a "
                           "backup. If there is none, remove the directory"),
            {}});
    SealKey key{};
    std::copy_n(bytes.begin() + keyMagicBytes, key.size(), key.begin());
    return key;
}

std::expected<SealKey, QuarantineError> makeQuarantineKey(int directory)
{
    SealKey key{};
    if (RAND_priv_bytes(key.data(), int(key.size())) != 1)
        return std::unexpected(QuarantineError{QuarantineError::Code::Failed,
            QStringLiteral("OpenSSL has no random numbers for the key of the quarantine"), {}});
    KeyFile bytes{};
    std::copy_n(keyMagic, keyMagicBytes, bytes.begin());
    std::ranges::copy(key, bytes.begin() + keyMagicBytes);
    std::ranges::copy(keyCheck(bytes), bytes.end() - keyCheckBytes);

    dropUnfinishedQuarantineKey(directory);
    const FileDescriptor file(retried([&] {
        return ::openat(directory, unfinishedKeyName,
            O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0400);
    }));
    if (!file.isValid())
        return keyTrouble("made");
    const ssize_t written =
        retried([&] { return ::pwrite(file.get(), bytes.data(), bytes.size(), 0); });
    if (written >= 0 && written != ssize_t(bytes.size()))
        errno = ENOSPC;
    // By a link, as it never replaces a key, on no file system.
    const bool isMade = written == ssize_t(bytes.size()) && ::fsync(file.get()) == 0
        && ::linkat(directory, unfinishedKeyName, directory, keyName, 0) == 0
        && ::fsync(directory) == 0;
    const int error = errno;
    dropUnfinishedQuarantineKey(directory);
    errno = error;
    if (!isMade)
        return keyTrouble("made");
    return key;
}

void dropUnfinishedQuarantineKey(int directory)
{
    ::unlinkat(directory, unfinishedKeyName, 0);
}

} // namespace Sentinel
