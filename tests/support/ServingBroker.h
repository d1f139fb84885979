// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/broker/Broker.h"
#include "tests/support/ProcessFigures.h"
#include "tests/support/RuleDirectory.h"
#include "tests/support/SentinelClient.h"

#include <QTemporaryDir>

#include <memory>
#include <numeric>

namespace Sentinel::Test {

//! \brief A Broker of this process with real scan workers, at a socket of its own, as clients of a
//! sentinel that runs on its own have it. Its rules are markerRules(), and what else is given.
class ServingBroker {
public:
    explicit ServingBroker(const QByteArray &moreRules = {}, ClamdUse clamd = {})
        : m_rules(markerRules() + moreRules)
    {
        Broker::Settings settings;
        settings.clamd = std::move(clamd);
        settings.rules.fleet.program = SENTINEL_BINARY;
        settings.rules.fleet.rules = {m_rules.settings().rulePaths, {}};
        settings.scanning.workers.maxWorkers = 2;
        RuleLoader::Loaded loaded = RuleLoader::load(settings.rules, RuleLoader::Proof::None);
        auto listener = Listener::listenAt(path());
        if (!loaded.engine || !listener)
            qFatal("no broker");
        m_broker = std::make_unique<Broker>(std::move(loaded), settings);
        m_broker->serve(std::move(*listener));
    }

    QString directory() const { return m_directory.path(); }
    QString path() const { return m_directory.filePath(QStringLiteral("socket")); }

    FileDescriptor connectSocket() const
    {
        auto socket = LocalSocket::connectTo(path());
        if (!socket)
            qFatal("%s", qPrintable(socket.error()));
        return std::move(*socket);
    }
    std::unique_ptr<SentinelClient> connectClient() const
    {
        auto client = std::make_unique<SentinelClient>(connectSocket());
        if (!client->open())
            qFatal("no welcome");
        return client;
    }
    //! Contents that nobody has had before are scanned for \p client, and rightly.
    bool serves(SentinelClient &client)
    {
        const QByteArray tail = QByteArray::number(++m_served);
        const auto threat = client.scan("a THREAT-MARK" + tail);
        const auto clean = client.scan("plain" + tail);
        return threat && threat->verdict() == Verdict::Malicious && clean
            && clean->verdict() == Verdict::Clean;
    }

    SentinelStatus status() const { return m_broker->status(); }
    bool isScanning() const
    {
        return std::ranges::any_of(status().workers,
            [](const WorkerStatus &w) { return w.state == WorkerStatus::State::Scanning; });
    }
    quint64 endings(CloseReason reason) const { return m_broker->endings().at(size_t(reason)); }
    quint64 endings() const
    {
        return std::accumulate(m_broker->endings().begin(), m_broker->endings().end(), quint64(0));
    }
    //! Of this process, without what workers and threads have: those come and go by themselves.
    int descriptors() const
    {
        const SentinelStatus now = status();
        return descriptorCount() - 2 * int(now.workers.size()) - now.telemetry.workers;
    }

private:
    const RuleDirectory m_rules;
    QTemporaryDir m_directory; // made with mode 0700
    std::unique_ptr<Broker> m_broker;
    int m_served = 0;
};

} // namespace Sentinel::Test
