// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/history/FileStamp.h"
#include "SecurityTap/inspection/Download.h"
#include "ipc/ScanResult.h"

#include <QByteArray>
#include <QDateTime>
#include <QMetaType>
#include <QString>
#include <QUrl>

namespace Sentinel {

//! \brief One release: what was given out, where to, and what was known of it.
//!
//! With a path, it can be scanned again: by its stamp, its hash, or best both, it is known again.
//! Without one the bytes went to a page or a program: only its hash is left, by which a later
//! verdict about the same bytes finds it (ReleaseHistory::claimByHash()).
struct ReleaseRecord {
    enum class State : quint8 {
        Owed, //!< waits for a scan
        Claimed, //!< a process sees to it
        Found, //!< a threat, which a process is about to tell
        Settled, //!< nothing is to be done
    };
    //! How what was owed came to its end.
    enum class Ending : quint8 {
        None, //!< it has not, or nothing was owed
        Scanned, //!< the verdict is of that scan, NotScanned too, if another would say the same
        Changed, //!< the file was another by then
        Gone, //!< there was no file any more
        GivenUp, //!< too many scans failed
    };

    qint64 id = 0; //!< of the history; 0: not recorded yet
    QString path; //!< whole, without links; empty: released without a file
    FileStamp stamp; //!< of that file; may be not known
    QByteArray sha256; //!< 32 raw bytes, or empty if not known
    qint64 sizeBytes = 0;
    QUrl url; //!< kept without user, query and fragment
    QUrl referrer; //!< the same
    QString name; //!< as proposed; not sanitised
    QString mimeType; //!< as announced
    Download::Privacy privacy = Download::Privacy::Usual;
    Verdict verdict = Verdict::NotScanned;
    Reason reason = Reason::ScannerUnavailable;
    QByteArray rulesDigest; //!< that the verdict is by; 32 raw bytes or empty
    QDateTime releasedAt; //!< UTC
    State state = State::Owed;
    Ending ending = Ending::None;
    int attempts = 0; //!< scans that failed, or whose process ended, since it was owed
};

//! \brief True if \p result is no verdict and another scan may reach one: then what is released
//! is owed a scan. One that would end as the same again (TooLarge, Encrypted, Damaged, LimitHit) or
//! that is no whole file (PartialContent, Incomplete, Cancelled) is not, before the rules change.
SECURITYTAP_EXPORT bool owesScan(const ScanResult &result);

//! \brief The name as it stands in JSON: "Scanned", "Changed", ...
SECURITYTAP_EXPORT QString nameOf(ReleaseRecord::Ending ending);

} // namespace Sentinel

Q_DECLARE_METATYPE(Sentinel::ReleaseRecord)
