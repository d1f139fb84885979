// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Channel.h"

#include <QByteArray>
#include <QString>

#include <chrono>
#include <expected>
#include <memory>

namespace Sentinel {

//! \brief A command's conversation with a sentinel: one question after the other, each waited for.
//!
//! Errors are for people: what was asked, and what went wrong.
//!
//! Owner:  its command.
//! Thread: owner, whose event loop runs while it waits.
class ControlClient {
public:
    //! Who is at the other end of \p socket, a connected one, is a sentinel that says Welcome
    //! within \p patience.
    static std::expected<std::unique_ptr<ControlClient>, QString> greet(
        FileDescriptor socket, std::chrono::milliseconds patience);
    //! The sentinel that listens at \p socketPath.
    static std::expected<std::unique_ptr<ControlClient>, QString> connectTo(
        const QString &socketPath);

    std::expected<SentinelStatus, QString> status();
    //! Waits for as long as rules may take.
    std::expected<ReloadResult, QString> reload();
    //! The verdict on \p bytes.
    std::expected<ScanResult, QString> scan(const QByteArray &name, const QByteArray &bytes);

    const Welcome &welcome() const { return m_welcome; }

private:
    explicit ControlClient(FileDescriptor socket) : m_channel(std::move(socket)) { }

    template <typename Answer>
    std::expected<Answer, QString> ask(
        const Message &question, FileDescriptor file, std::chrono::milliseconds patience);

    Channel m_channel;
    Welcome m_welcome;
    quint64 m_lastId = 0;
};

} // namespace Sentinel
