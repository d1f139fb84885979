// SPDX-License-Identifier: MIT
#include "SecurityTap/quarantine/SealedFile_p.h"

#include "SecurityTap/Limits.h"
#include "ipc/Retried_p.h"

#include <QtEndian>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr char sealMagic[] = "SNTLSEAL"; // eight bytes, without the end of the text
constexpr uchar sealVersion = 1;
constexpr qint64 headerBytes = 32; // magic 8, version 1, kind 1, zero 2, chunk size 4, item 16
constexpr qint64 tagBytes = 16;
constexpr qint64 nonceBytes = 12;
constexpr qint64 itemBytes = 16;
constexpr qint64 chunkBytes = Limits::quarantineChunkBytes;
constexpr qint64 sealedChunkBytes = chunkBytes + tagBytes;

using SealResult = std::expected<void, QuarantineError>;
using Header = std::array<uchar, headerBytes>;

Header headerOf(const SealedAs &sealedAs)
{
    Q_ASSERT(sealedAs.item.size() == itemBytes);
    Header header{};
    std::memcpy(header.data(), sealMagic, 8);
    header[8] = sealVersion;
    header[9] = uchar(sealedAs.kind);
    qToBigEndian(quint32(chunkBytes), &header[12]);
    std::memcpy(&header[16], sealedAs.item.constData(), size_t(itemBytes));
    return header;
}

QString sealedName(const SealedAs &sealedAs)
{
    return sealedAs.kind == SealedAs::Kind::Record ? QStringLiteral("its record")
                                                   : QStringLiteral("its content");
}

std::unexpected<QuarantineError> damaged(const SealedAs &sealedAs, const QString &how)
{
    return std::unexpected(QuarantineError{QuarantineError::Code::Damaged,
        QStringLiteral("%1 is not as it was stored: %2; nothing of it can be used. Take the files "
                       "of the quarantine from a backup, or delete the item")
            .arg(sealedName(sealedAs), how),
        {}});
}

qint64 chunksOf(qint64 plainBytes)
{
    return std::max<qint64>((plainBytes + chunkBytes - 1) / chunkBytes, 1);
}

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX *context) const { EVP_CIPHER_CTX_free(context); }
};

// Chunks of one file. Its key is of its own, so that a counter makes every nonce a new one.
class ChunkCipher {
public:
    ChunkCipher(const SealKey &storeKey, const Header &header)
        : m_header(header), m_context(EVP_CIPHER_CTX_new())
    {
        unsigned size = 0;
        m_isGood = m_context
            && HMAC(EVP_sha256(), storeKey.data(), int(storeKey.size()), header.data(),
                header.size(), m_key.data(), &size)
            && size == m_key.size();
    }
    ~ChunkCipher() { OPENSSL_cleanse(m_key.data(), m_key.size()); }
    Q_DISABLE_COPY_MOVE(ChunkCipher)

    //! False where OpenSSL has not what it takes: memory, or the algorithms.
    bool isGood() const { return m_isGood; }

    //! \p sealed has room for the tag behind the bytes.
    bool seal(qint64 number, bool isLast, std::span<const uchar> plain, uchar *sealed)
    {
        int written = 0;
        return begin(number, isLast, EVP_EncryptInit_ex) && update(EVP_EncryptUpdate, sealed, plain)
            && EVP_EncryptFinal_ex(m_context.get(), sealed + plain.size(), &written) == 1
            && EVP_CIPHER_CTX_ctrl(
                   m_context.get(), EVP_CTRL_GCM_GET_TAG, tagBytes, sealed + plain.size())
            == 1;
    }
    bool open(qint64 number, bool isLast, std::span<uchar> sealed, uchar *plain)
    {
        int written = 0;
        const auto bytes = sealed.first(sealed.size() - size_t(tagBytes));
        return begin(number, isLast, EVP_DecryptInit_ex) && update(EVP_DecryptUpdate, plain, bytes)
            && EVP_CIPHER_CTX_ctrl(
                   m_context.get(), EVP_CTRL_GCM_SET_TAG, tagBytes, sealed.data() + bytes.size())
            == 1
            && EVP_DecryptFinal_ex(m_context.get(), plain + bytes.size(), &written) == 1;
    }

private:
    bool begin(qint64 number, bool isLast, decltype(&EVP_EncryptInit_ex) init)
    {
        std::array<uchar, nonceBytes> nonce{};
        qToBigEndian(quint64(number), &nonce[4]);
        std::array<uchar, headerBytes + 9> bound{};
        std::ranges::copy(m_header, bound.begin());
        qToBigEndian(quint64(number), &bound[headerBytes]);
        bound.back() = isLast ? 1 : 0;
        int written = 0;
        const bool isEncrypting = init == EVP_EncryptInit_ex;
        return m_isGood
            && init(m_context.get(), EVP_aes_256_gcm(), nullptr, m_key.data(), nonce.data()) == 1
            && (isEncrypting ? EVP_EncryptUpdate : EVP_DecryptUpdate)(
                   m_context.get(), nullptr, &written, bound.data(), int(bound.size()))
            == 1;
    }
    bool update(decltype(&EVP_EncryptUpdate) function, uchar *target, std::span<const uchar> source)
    {
        int written = 0;
        return source.empty()
            || (function(m_context.get(), target, &written, source.data(), int(source.size())) == 1
                && written == int(source.size()));
    }

    const Header m_header;
    SealKey m_key{};
    std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> m_context;
    bool m_isGood = false;
};

bool writeWhole(int file, std::span<const uchar> bytes, qint64 offset)
{
    while (!bytes.empty()) {
        const ssize_t written =
            retried([&] { return ::pwrite(file, bytes.data(), bytes.size(), offset); });
        if (written < 0)
            return false;
        bytes = bytes.subspan(size_t(written));
        offset += written;
    }
    return true;
}

// False and errno; 0 if the file ends before.
bool readWhole(int file, std::span<uchar> bytes, qint64 offset)
{
    while (!bytes.empty()) {
        const ssize_t got =
            retried([&] { return ::pread(file, bytes.data(), bytes.size(), offset); });
        if (got <= 0) {
            errno = got == 0 ? 0 : errno;
            return false;
        }
        bytes = bytes.subspan(size_t(got));
        offset += got;
    }
    return true;
}

std::unexpected<QuarantineError> unreadable(const SealedAs &sealedAs)
{
    if (errno == 0)
        return damaged(sealedAs, QStringLiteral("it ends too early"));
    return std::unexpected(quarantineSystemError(
        errno, QStringLiteral("%1 cannot be read").arg(sealedName(sealedAs))));
}

} // namespace

qint64 sealedBytesOf(qint64 plainBytes)
{
    return headerBytes + plainBytes + chunksOf(plainBytes) * tagBytes;
}

std::optional<qint64> plainBytesOf(qint64 sealedBytes)
{
    const qint64 payload = sealedBytes - headerBytes;
    const qint64 chunks = (payload + sealedChunkBytes - 1) / sealedChunkBytes;
    const qint64 plain = payload - chunks * tagBytes;
    const bool isPossible = payload >= tagBytes && plain >= 0 && chunks == chunksOf(plain);
    return isPossible ? std::optional(plain) : std::nullopt;
}

SealResult writeSealed(int file, const SealKey &key, const SealedAs &sealedAs, qint64 plainBytes,
    const PlainSource &source)
{
    const auto unwritable = [&sealedAs] {
        return std::unexpected(quarantineSystemError(
            errno, QStringLiteral("%1 cannot be written").arg(sealedName(sealedAs))));
    };
    const Header header = headerOf(sealedAs);
    ChunkCipher cipher(key, header);
    if (!writeWhole(file, header, 0))
        return unwritable();
    std::vector<uchar> plain(size_t(std::min(plainBytes, chunkBytes)));
    std::vector<uchar> sealed(plain.size() + size_t(tagBytes));
    const qint64 chunks = chunksOf(plainBytes);
    for (qint64 number = 0; number < chunks; ++number) {
        const qint64 offset = number * chunkBytes;
        const auto size = size_t(std::min(plainBytes - offset, chunkBytes));
        const std::span bytes(plain.data(), size);
        if (const auto got = source(bytes, offset); !got)
            return got;
        if (!cipher.seal(number, number + 1 == chunks, bytes, sealed.data()))
            return std::unexpected(QuarantineError{QuarantineError::Code::Failed,
                QStringLiteral("%1 cannot be encrypted: OpenSSL refuses").arg(sealedName(sealedAs)),
                {}});
        if (!writeWhole(file, std::span(sealed).first(size + size_t(tagBytes)),
                headerBytes + number * sealedChunkBytes))
            return unwritable();
    }
    return {};
}

SealResult readSealed(int file, const SealKey &key, const SealedAs &sealedAs, const PlainSink &sink)
{
    struct stat status { };
    if (::fstat(file, &status) != 0)
        return unreadable(sealedAs);
    const auto plainBytes = plainBytesOf(status.st_size);
    if (!plainBytes)
        return damaged(sealedAs,
            QStringLiteral("no stored file has its length of %1 bytes").arg(status.st_size));
    Header stored{};
    if (!readWhole(file, stored, 0))
        return unreadable(sealedAs);
    const Header header = headerOf(sealedAs);
    if (stored != header)
        return damaged(sealedAs, QStringLiteral("its header is another one"));

    ChunkCipher cipher(key, header);
    if (!cipher.isGood())
        return std::unexpected(QuarantineError{QuarantineError::Code::Failed,
            QStringLiteral("%1 cannot be decrypted: OpenSSL refuses").arg(sealedName(sealedAs)),
            {}});
    std::vector<uchar> sealed(size_t(std::min(*plainBytes, chunkBytes) + tagBytes));
    std::vector<uchar> plain(sealed.size());
    const qint64 chunks = chunksOf(*plainBytes);
    for (qint64 number = 0; number < chunks; ++number) {
        const qint64 offset = number * chunkBytes;
        const qint64 size = std::min(*plainBytes - offset, chunkBytes);
        const auto chunk = std::span(sealed).first(size_t(size + tagBytes));
        if (!readWhole(file, chunk, headerBytes + number * sealedChunkBytes))
            return unreadable(sealedAs);
        if (!cipher.open(number, number + 1 == chunks, chunk, plain.data()))
            return damaged(sealedAs,
                QStringLiteral("chunk %1 of %2, or its tag, has changed, or the key is not the one "
                               "it was stored with")
                    .arg(number + 1)
                    .arg(chunks));
        if (const auto taken = sink(std::span(plain).first(size_t(size))); !taken)
            return taken;
    }
    return {};
}

} // namespace Sentinel
