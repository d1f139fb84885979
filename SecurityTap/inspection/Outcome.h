// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Download.h"
#include "SecurityTap/inspection/SecurityEvent.h"
#include "ipc/Disposition.h"
#include "ipc/ScanResult.h"

#include <QMetaType>

#include <chrono>
#include <vector>

namespace Sentinel {

//! \brief How an inspection ended: the facts (result) and the decision (disposition). Final.
struct Outcome {
    quint64 inspection = 0; //!< Inspection::id()
    ConnectionId connection = noConnection;
    DownloadMetadata metadata; //!< as announced
    ScanResult result;
    Disposition disposition = Disposition::Block;
    qint64 sizeBytes = 0; //!< bytes that had arrived
    std::chrono::microseconds sinceLastByte{0}; //!< from finish() to the decision
    QString clause{}; //!< what has decided: "clause 2", "default for Malicious", "its user"
    QString item{}; //!< in quarantine: its id there
    std::vector<SecurityEvent> events{}; //!< what else is noteworthy about it
};

//! \brief One line for people: "Malicious: EICAR_Test_File (eicar.yar)", "NotScanned: too many
//! ...".
SECURITYTAP_EXPORT QString describe(const ScanResult &result);

} // namespace Sentinel

Q_DECLARE_METATYPE(Sentinel::Outcome)
