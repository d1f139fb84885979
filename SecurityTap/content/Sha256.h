// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QByteArray>

#include <memory>
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

} // namespace Sentinel
