// SPDX-License-Identifier: MIT
#include "SecurityTap/content/DesktopMetadata.h"

#include "SecurityTap/content/Provenance.h"
#include "SecurityTap/scan/QtHandover_p.h"

#include <QFileInfo>
#include <QProcess>
#include <QStandardPaths>

namespace Sentinel {

namespace {

constexpr int maxWaitingFiles = 16;
constexpr int programPatienceMs = 2'000;

void runQuietly(const QString &program, const QStringList &arguments)
{
    QProcess process;
    process.setStandardInputFile(QProcess::nullDevice());
    process.setStandardOutputFile(QProcess::nullDevice());
    process.setStandardErrorFile(QProcess::nullDevice());
    process.start(program, arguments);
    if (!process.waitForFinished(programPatienceMs)) {
        process.kill();
        process.waitForFinished();
    }
}

} // namespace

QString DesktopMetadata::installedProgram()
{
    const QString socket = qEnvironmentVariable("XDG_RUNTIME_DIR") + QStringLiteral("/bus");
    const bool hasBus =
        qEnvironmentVariableIsSet("DBUS_SESSION_BUS_ADDRESS") || QFileInfo::exists(socket);
    return hasBus ? QStandardPaths::findExecutable(QStringLiteral("gio")) : QString();
}

DesktopMetadata::DesktopMetadata(QString program) : m_program(std::move(program))
{
    m_pool.setMaxThreadCount(1);
}

DesktopMetadata::~DesktopMetadata()
{
    m_pool.clear();
    m_pool.waitForDone();
    QtHandover::taken(this);
}

bool DesktopMetadata::tell(const QString &path, const QUrl &origin)
{
    const QByteArray address = provenanceText(origin);
    if (m_program.isEmpty() || address.isEmpty())
        return false;
    if (m_waiting.fetch_add(1) >= maxWaitingFiles) {
        m_waiting.fetch_sub(1);
        return false;
    }
    m_pool.start([this, path, address] {
        runQuietly(m_program,
            {QStringLiteral("set"), QStringLiteral("-t"), QStringLiteral("string"), path,
                QStringLiteral("metadata::download-uri"), QString::fromLatin1(address)});
        m_waiting.fetch_sub(1);
        QtHandover::given(this);
    });
    return true;
}

} // namespace Sentinel
