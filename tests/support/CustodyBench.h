// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/audit/AuditReader.h"
#include "SecurityTap/custody/Custody.h"
#include "SecurityTap/inspection/SecurityTap.h"
#include "SecurityTap/quarantine/Quarantine.h"
#include "tests/support/Patience.h"
#include "tests/support/RuleDirectory.h"

#include <QJsonObject>
#include <QSignalSpy>
#include <QTemporaryDir>

#include <memory>
#include <vector>

namespace Sentinel::Test {

//! A download of "setup.exe".
inline Download downloadFrom(const QString &url)
{
    Download download;
    download.metadata.url = QUrl(url);
    download.metadata.filename = QStringLiteral("setup.exe");
    return download;
}

//! \brief Taps that keep what outlives them in one home, and what they have kept there.
class CustodyBench {
public:
    explicit CustodyBench(const QByteArray &moreRules = {}) : m_rules(markerRules() + moreRules) { }

    //! Forgets all.
    void moveOut() { m_home = std::make_unique<QTemporaryDir>(); }
    QString home() const { return m_home->path(); }
    QString inHome(const QString &name) const { return m_home->filePath(name); }
    void writeRules(const QByteArray &moreRules) const { m_rules.write(markerRules() + moreRules); }

    std::unique_ptr<SecurityTap> make(const std::function<void(TapSettings &)> &adjust = {}) const
    {
        return m_rules.makeTap([&](TapSettings &settings) {
            settings.custody.emplace();
            settings.custody->paths = paths();
            if (adjust)
                adjust(settings);
        });
    }
    //! One whose scans all fail, in passing: whatever comes is released unscanned.
    std::unique_ptr<SecurityTap> makeBlind() const
    {
        return make([](TapSettings &settings) {
            settings.policy.hold = {};
            settings.isolation = Isolation::System;
            settings.sentinel.socketPath = QStringLiteral("/nonexistent/socket");
        });
    }
    StorePaths paths() const
    {
        return {
            m_home->filePath(QStringLiteral("data")), m_home->filePath(QStringLiteral("state"))};
    }
    QString historyPath() const { return paths().state + QStringLiteral("/history.sqlite"); }
    QString quarantineDirectory() const { return paths().data + QStringLiteral("/quarantine"); }
    std::vector<QuarantineItem> quarantined() const
    {
        const auto quarantine = Quarantine::open(quarantineDirectory());
        return quarantine ? (*quarantine)->list()->items : std::vector<QuarantineItem>();
    }
    //! The events with \p action that are in the log by now.
    std::vector<QJsonObject> events(const QString &action) const
    {
        std::vector<QJsonObject> found;
        auto reader = AuditReader::open(paths().state + QStringLiteral("/audit"));
        while (const auto line = reader ? reader->next() : std::nullopt) {
            const QJsonObject event = line->event.value_or(QJsonObject());
            if (event[QLatin1String("event")][QLatin1String("action")].toString() == action)
                found.push_back(event);
        }
        return found;
    }
    //! Releases that are owed a first scan; -1: it cannot be read.
    int owed() const
    {
        ReleaseHistory history(historyPath());
        const auto counts = history.counts();
        return counts ? counts->owed : -1;
    }
    static Outcome outcomeOf(Inspection &inspection, const QByteArray &content)
    {
        QSignalSpy decided(&inspection, &Inspection::decided);
        inspection.write(content);
        inspection.finish();
        if (!decided.wait(patienceMs))
            qFatal("no decision");
        return *inspection.outcome();
    }
    //! Released unscanned by a tap that ends then; where to.
    QString releasedBlindly(const QByteArray &content) const
    {
        const auto tap = makeBlind();
        Inspection *inspection =
            tap->inspect(downloadFrom(QStringLiteral("https://example.org/setup.exe?token=1")));
        const Outcome outcome = outcomeOf(*inspection, content);
        if (outcome.result.reason() != Reason::ScannerUnavailable)
            qFatal("it was scanned: %s", qPrintable(describe(outcome.result)));
        const auto path = inspection->releaseInto(
            m_home->path(), QStringLiteral("setup.exe"), ExistingFile::Keep);
        return path ? *path : QString();
    }

private:
    const RuleDirectory m_rules;
    std::unique_ptr<QTemporaryDir> m_home = std::make_unique<QTemporaryDir>();
};

} // namespace Sentinel::Test
