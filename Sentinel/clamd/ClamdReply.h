// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/ScanResult.h"

#include <QByteArrayView>
#include <QString>

namespace Sentinel {

//! \brief How a content gets to clamd.
enum class ClamdWay : quint8 {
    File, //!< its descriptor is passed: FILDES
    Stream, //!< its bytes are sent: INSTREAM
};

//! \brief What clamd answers to a scan. Only what is exactly understood is a verdict.
struct ClamdReply {
    enum class Kind : quint8 {
        Clean, //!< an exact OK
        Found,
        TooLarge, //!< more bytes than clamd takes
        Error, //!< clamd says that it could not scan
        NotUnderstood, //!< no answer to this question
    };
    Kind kind = Kind::NotUnderstood;
    QString words; //!< Found: the signature's name; else what clamd said. Printable, bounded

    //! Reads \p answer, without its id and its end, to a content that went by \p way.
    static ClamdReply parse(QByteArrayView answer, ClamdWay way);

    //! True if a limit of clamd's own has cut the scan short, and clamd is set to tell.
    bool tellsOfLimit() const;

    friend bool operator==(const ClamdReply &, const ClamdReply &) = default;
};

//! \brief The result of a scan that was answered with \p reply. \p whole is the coverage of a
//! content that clamd has looked at completely.
ScanResult resultOf(const ClamdReply &reply, Coverage whole);

//! \brief \p said as people may see it: plain characters, not more than Limits::maxClamdWords.
QString clamdWords(QByteArrayView said);

} // namespace Sentinel
