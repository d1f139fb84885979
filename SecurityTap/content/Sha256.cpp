// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Sha256.h"

#include "SecurityTap/Limits.h"
#include "ipc/Retried_p.h"

#include <openssl/evp.h>

#include <algorithm>
#include <new>
#include <vector>

#include <unistd.h>

namespace Sentinel {

Sha256::Sha256() : m_context(EVP_MD_CTX_new())
{
    if (!m_context || EVP_DigestInit_ex(m_context, EVP_sha256(), nullptr) != 1) {
        EVP_MD_CTX_free(m_context);
        throw std::bad_alloc(); // OpenSSL always has SHA-256
    }
}

Sha256::~Sha256()
{
    EVP_MD_CTX_free(m_context);
}

void Sha256::add(std::span<const uchar> bytes)
{
    EVP_DigestUpdate(m_context, bytes.data(), bytes.size());
}

QByteArray Sha256::result()
{
    QByteArray digest(32, Qt::Uninitialized);
    unsigned size = 0;
    EVP_DigestFinal_ex(m_context, reinterpret_cast<unsigned char *>(digest.data()), &size);
    Q_ASSERT(size == 32);
    return digest;
}

std::optional<QByteArray> sha256OfFile(int descriptor, qint64 sizeBytes)
{
    constexpr qint64 pieceBytes = 256 * Limits::kib; // stays in the processor's cache
    std::vector<uchar> piece(size_t(std::min(sizeBytes, pieceBytes)));
    Sha256 hash;
    for (qint64 done = 0; done < sizeBytes;) {
        const auto want = size_t(std::min(sizeBytes - done, pieceBytes));
        const ssize_t count =
            retried([&] { return ::pread(descriptor, piece.data(), want, off_t(done)); });
        if (count <= 0) {
            errno = count == 0 ? EIO : errno;
            return std::nullopt;
        }
        hash.add({piece.data(), size_t(count)});
        done += count;
    }
    return hash.result();
}

} // namespace Sentinel
