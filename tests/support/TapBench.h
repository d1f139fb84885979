// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/network/TapAccessManager.h"
#include "SecurityTap/network/TapReply.h"
#include "SecurityTap/plugin/SecurityTapPlugin.h"
#include "tests/support/Patience.h"

#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <memory>

namespace Sentinel::Test {

//! What the rules of a TapBench call malicious, anywhere in a content.
inline const QByteArray marker = "the marker of the tests";
//! What they call suspicious.
inline const QByteArray dubiousMarker = "the dubious marker of the tests";
//! What makes their scan take long after the last byte (seconds), without being found.
inline const QByteArray slowMarker = "the slow marker of the tests";

//! Bytes that look like nothing, always the same, without a marker.
inline QByteArray someBytes(qsizetype count)
{
    QByteArray bytes(count, Qt::Uninitialized);
    quint32 state = 2463534242;
    for (char &byte : bytes) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        byte = char(state);
    }
    return bytes;
}

//! \brief A plugin with rules of its own and an access manager with it, each to be destroyed early.
class TapBench {
public:
    explicit TapBench(TapSettings settings = {})
    {
        QFile rules(directory.filePath(QStringLiteral("marker.yar")));
        if (!rules.open(QIODevice::WriteOnly))
            qFatal("cannot write the rules");
        rules.write(R"(
            rule Marker { strings: $a = ")"
            + marker + R"(" condition: $a }
            rule Dubious {
                meta: severity = "suspicious"
                strings: $a = ")"
            + dubiousMarker + R"(" condition: $a }
            rule Slow { strings: $a = ")"
            + slowMarker + R"("
                condition: $a and for all i in (1..4000000) : (i > 0) and filesize < 0 }
        )");
        rules.close();
        settings.custody.reset(); // nothing outlives a test
        settings.rulePaths = QStringList{rules.fileName()};
        plugin = std::make_unique<SecurityTapPlugin>(std::move(settings));
        if (!plugin->tap())
            qFatal("%s", qPrintable(plugin->errorString()));
        manager = std::make_unique<TapAccessManager>(*plugin);
    }

    TapReply *get(const QNetworkRequest &request) const
    {
        return qobject_cast<TapReply *>(manager->get(request));
    }
    TapReply *get(const QUrl &url) const { return get(QNetworkRequest(url)); }

    //! The only inspection there is.
    Inspection *inspection() const { return plugin->tap()->findChild<Inspection *>(); }
    int inspections() const { return int(plugin->tap()->findChildren<Inspection *>().size()); }

    QTemporaryDir directory;
    std::unique_ptr<SecurityTapPlugin> plugin;
    std::unique_ptr<TapAccessManager> manager;
};

//! Runs the event loop until \p reply is finished; false if that takes too long. (QTRY_VERIFY
//! sleeps between two looks, which slows down all that goes back and forth.)
inline bool awaitFinished(const QNetworkReply &reply)
{
    QSignalSpy finished(&reply, &QNetworkReply::finished);
    return reply.isFinished() || finished.wait(patienceMs);
}

#define AWAIT_FINISHED(reply) QVERIFY(Sentinel::Test::awaitFinished(*(reply)))

} // namespace Sentinel::Test
