// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/Inspection.h"
#include "SecurityTap/scan/ScanTelemetry.h"

#include <QVariantMap>
#include <QtPlugin>

#include <expected>

namespace Sentinel {

//! \brief What a request server (a browser's network layer) loads to have its downloads looked at.
//!
//! Used in process, or loaded by QPluginLoader. The request server calls start() once, asks
//! intercept() for each response body, streams the body into what it gets, hands the body to its
//! client when the inspection was decided to release, and says when a client connection is gone.
//!
//! Owner:  the request server.
//! Thread: the thread of the request server's event loop.
class RequestServerPlugin {
public:
    virtual ~RequestServerPlugin() = default;

    //! Makes the plugin ready. \p settings: see docs/configuration.md. The error is for people.
    virtual std::expected<void, QString> start(const QVariantMap &settings) = 0;

    //! The inspection of a response body that begins, to stream it into; the caller deletes it when
    //! done. Null: this body is to be passed through, as it is of no interest. The error, which is
    //! for people: nobody can look at this body, and it must not be given out.
    virtual std::expected<Inspection *, QString> intercept(Download download) = 0;

    //! The client connection is gone: whatever belongs to it is cancelled. noConnection: nothing.
    virtual void connectionClosed(ConnectionId connection) = 0;

    virtual TelemetrySnapshot telemetry() const = 0;
};

} // namespace Sentinel

Q_DECLARE_INTERFACE(Sentinel::RequestServerPlugin, "sentinel.RequestServerPlugin/1")
