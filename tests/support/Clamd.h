// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>
#include <QProcess>
#include <QTemporaryDir>

#include <expected>
#include <memory>

namespace Sentinel::Test {

//! \brief A real clamd of the test's own, with signatures of the test's own: on a local socket and
//! on loopback, everything it writes in a temporary directory. Nothing of the system's is touched.
//!
//! It knows EICAR as "Eicar-Test.UNOFFICIAL" and whatever contains Clamd::mark as
//! "Mark.UNOFFICIAL".
//!
//! Owner:  the test, which must not fork away from it: the server dies with the thread that made
//! it.
class Clamd {
public:
    static constexpr char mark[] = "SENTINEL-CLAMD-MARK";

    static bool isInstalled();
    //! Starts one, with \p settings (lines of clamd.conf) besides those it always has, and waits
    //! until it answers. The error is for people.
    static std::expected<std::unique_ptr<Clamd>, QString> start(const QByteArray &settings = {});
    //! Ends it by its own process id and waits for it.
    ~Clamd();
    Q_DISABLE_COPY_MOVE(Clamd)

    QString socketPath() const { return m_directory.filePath(QStringLiteral("socket")); }
    QString tcpAddress() const;
    qint64 pid() const { return m_process.processId(); }
    int descriptorCount() const;

    void kill();
    //! Starts it again, after kill().
    std::expected<void, QString> restart();
    void sendSignal(int number) const;
    //! Changes the signatures: \p name is that of the second one, or nothing if they are to be
    //! broken.
    void writeSignatures(const QByteArray &name);
    //! Has it read its signatures; true if it says that it does.
    bool reload() const;

private:
    Clamd() = default;
    bool isAnswering() const;

    QTemporaryDir m_directory;
    QProcess m_process;
    quint16 m_port = 0;
};

} // namespace Sentinel::Test
