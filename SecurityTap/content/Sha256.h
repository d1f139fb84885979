// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QByteArray>

#include <memory>
#include <optional>
#include <span>

struct evp_md_ctx_st;

namespace Sentinel {

//! \brief SHA-256 of bytes that come in pieces (OpenSSL: eight times as fast as
//! QCryptographicHash).
//!
//! Thread: one at a time.
class SECURITYTAP_EXPORT Sha256 {
public:
    Sha256();
    ~Sha256();
    Q_DISABLE_COPY_MOVE(Sha256)

    void add(std::span<const uchar> bytes);
    //! 32 raw bytes. The object is used up.
    QByteArray result();

private:
    evp_md_ctx_st *m_context;
};

//! \brief The SHA-256 of the first \p sizeBytes bytes of the open file \p descriptor. Nothing, and
//! errno, if they cannot be read; EIO if there are fewer.
//!
//! Thread: any; blocks.
SECURITYTAP_EXPORT std::optional<QByteArray> sha256OfFile(int descriptor, qint64 sizeBytes);

} // namespace Sentinel
