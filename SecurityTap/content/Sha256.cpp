// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Sha256.h"

#include <openssl/evp.h>

#include <new>

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

} // namespace Sentinel
