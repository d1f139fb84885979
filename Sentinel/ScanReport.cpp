// SPDX-License-Identifier: MIT
#include "Sentinel/ScanReport.h"

#include "SecurityTap/content/FileName.h"
#include "Sentinel/PathText.h"
#include "Sentinel/ResultJson.h"

#include <QFile>
#include <QJsonObject>
#include <QLocale>

namespace Sentinel {

namespace {

//! "Malicious: EICAR_Test_File (eicar.yar)", "NotScanned Unreadable: ...; Permission denied".
QString describeShortly(const ScanResult &result, const QString &file)
{
    QString verdict = nameOf(result.verdict());
    QStringList parts;
    if (result.verdict() == Verdict::NotScanned) {
        verdict += u' ' + nameOf(result.reason());
        parts.append(explanation(result.reason()));
        if (!result.detail().isEmpty())
            parts.append(result.detail());
    }
    for (const Finding &finding : result.findings())
        parts.append(displayName(finding, file));
    return printable(verdict + QStringLiteral(": ") + parts.join(QStringLiteral("; ")));
}

QString fileNameOf(const QByteArray &path)
{
    return QFile::decodeName(path.sliced(path.lastIndexOf('/') + 1));
}

QString counted(qint64 count, const char *one, const char *many)
{
    return QStringLiteral("%1 %2").arg(count).arg(QLatin1StringView(count == 1 ? one : many));
}

QByteArray jsonOf(const FileVerdict &verdict)
{
    QJsonObject object = toJson(verdict.result);
    setPath(object, verdict.path);
    object.insert(
        QStringLiteral("size"), verdict.sizeBytes ? QJsonValue(*verdict.sizeBytes) : QJsonValue());
    object.insert(QStringLiteral("durationMs"), double(verdict.duration.count()) / 1000);
    return jsonLine(object);
}

} // namespace

ScanReport::ScanReport(Output &output, Format format) : m_output(output), m_format(format) { }

void ScanReport::add(const FileVerdict &verdict)
{
    ++m_files;
    m_bytes += verdict.result.coverage().bytesScanned;
    m_threats += verdict.result.isThreat();
    m_notScanned += verdict.result.verdict() == Verdict::NotScanned;
    if (m_format == Format::JsonLines)
        m_output.result(jsonOf(verdict));
    else if (verdict.result.verdict() != Verdict::Clean)
        m_output.result(pathForPeople(verdict.path) + QStringLiteral(": ")
            + describeShortly(verdict.result, fileNameOf(verdict.path)));
}

void ScanReport::addUnreadable(const QByteArray &path, const QString &why)
{
    add({path, std::nullopt, ScanResult::notScanned(Reason::Unreadable, why), {}});
}

void ScanReport::showProgress()
{
    if (m_output.wantsProgress())
        m_output.progress(summary());
}

void ScanReport::summarise()
{
    if (m_format == Format::JsonLines)
        m_output.message(summary());
    else
        m_output.result(summary());
}

QString ScanReport::summary() const
{
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - m_begin;
    const double seconds = std::max(elapsed.count(), 1e-6);
    const QLocale locale = QLocale::c();
    const auto bytes = [&locale](double count) {
        return locale.formattedDataSize(qint64(count), 1, QLocale::DataSizeIecFormat);
    };
    return QStringLiteral("%1, %2, %3, %4 not scanned, %5 s, %6/s")
        .arg(counted(m_files, "file", "files"), bytes(double(m_bytes)),
            counted(m_threats, "threat", "threats"), QString::number(m_notScanned),
            QString::number(seconds, 'f', 2), bytes(double(m_bytes) / seconds));
}

ExitCode ScanReport::exitCode() const
{
    if (m_threats > 0)
        return exitThreat;
    return m_notScanned > 0 ? exitTrouble : exitGood;
}

} // namespace Sentinel
