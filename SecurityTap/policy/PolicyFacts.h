// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/inspection/Download.h"
#include "SecurityTap/inspection/Origin.h"
#include "ipc/FileType.h"
#include "ipc/ScanResult.h"

#include <QStringList>

namespace Sentinel {

//! \brief All that a decision may depend on: what a scan found, and what is known of the download.
struct SECURITYTAP_EXPORT PolicyFacts {
    //! How much of a download there is.
    enum class Extent : quint8 {
        Whole, //!< all of it
        SoFar, //!< what had arrived: more may come
    };

    Verdict verdict = Verdict::NotScanned;
    Reason reason = Reason::ScannerUnavailable; //!< None but with NotScanned
    QStringList rules; //!< those that make it a threat, each once
    //! Nothing of the content was left unseen, and \p rules are all that it would match.
    bool isAllSeen = false;

    QUrl url;
    Origin origin;
    QString fileName; //!< as proposed
    QString mimeType; //!< as announced, in lower case and without parameters
    FileType fileType = FileType::Unknown; //!< by its first bytes
    qint64 sizeBytes = 0;
    Extent extent = Extent::Whole; //!< what \p sizeBytes is the size of
    QByteArray sha256; //!< of the content that was scanned, 32 raw bytes; empty: not known
    Download::Privacy privacy = Download::Privacy::Usual;

    //! \p sizeBytes and \p extent: what had arrived by then.
    static PolicyFacts of(const Download &download, const ScanResult &result, FileType fileType,
        qint64 sizeBytes, Extent extent);
    //! \p announced as mimeType has it.
    static QString mimeTypeOf(const QString &announced);
};

} // namespace Sentinel
