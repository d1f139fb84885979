// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Origin.h"

#include <expected>
#include <optional>

namespace Sentinel {

//! \brief Which origins are meant: "https://example.org", "*://*.example.org:*", "file:".
//!
//! SCHEME://HOST, SCHEME://HOST:PORT, or SCHEME: of what has no host. SCHEME is a name or *. HOST
//! is a name or an address; *.NAME, what lies below it, but not NAME itself; or *, any. Without a
//! PORT it is the scheme's usual one; * is any.
//!
//! Thread: immutable.
class SECURITYTAP_EXPORT OriginPattern {
public:
    //! The error says for people what is wrong with \p text.
    static std::expected<OriginPattern, QString> parse(const QString &text);

    bool matches(const Origin &origin) const;
    //! As parse() reads it.
    QString toString() const;

    friend bool operator==(const OriginPattern &, const OriginPattern &) = default;

private:
    enum class Hosts : quint8 { None, One, Below, Any };
    enum class Ports : quint8 { Usual, One, Any };

    std::expected<void, QString> readHost(const QString &host);
    std::expected<void, QString> readPort(const QString &port);

    QString m_scheme; // empty: any
    Hosts m_hosts = Hosts::None;
    QString m_host; // of One and Below
    Ports m_ports = Ports::Usual;
    int m_port = 0; // of One
};

} // namespace Sentinel
