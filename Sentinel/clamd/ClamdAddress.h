// SPDX-License-Identifier: MIT
#pragma once

#include <QString>

#include <expected>

#include <sys/socket.h>

namespace Sentinel {

//! \brief Where a clamd listens: "/run/clamav/clamd.ctl", "127.0.0.1:3310", "[::1]:3310" or
//! "localhost:3310". Other names would have to be looked up, which nothing bounds in time.
//!
//! Thread: immutable.
class ClamdAddress {
public:
    //! The error is for people.
    static std::expected<ClamdAddress, QString> parse(const QString &text);

    //! As it was given, for people.
    const QString &text() const { return m_text; }
    //! True if descriptors can be passed to whoever listens there.
    bool isLocalSocket() const { return m_address.ss_family == AF_UNIX; }
    int family() const { return m_address.ss_family; }
    const sockaddr *data() const { return reinterpret_cast<const sockaddr *>(&m_address); }
    socklen_t size() const { return m_size; }

private:
    ClamdAddress() = default;

    QString m_text;
    sockaddr_storage m_address{};
    socklen_t m_size = 0;
};

} // namespace Sentinel
