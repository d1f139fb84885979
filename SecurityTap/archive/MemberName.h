// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"

#include <QString>

namespace Sentinel {

//! \brief What a member is called. Its archive's author chose it: it is shown and matched, and
//! never touches a file system.
class SECURITYTAP_EXPORT MemberName {
public:
    //! \p name as the archive has it, of the \p number th member: who has none is called by that.
    MemberName(QString name, qint64 number);
    //! Of the only member of a stream, which has no name of its own: "a.tar.gz" has "a.tar".
    static MemberName ofStreamIn(const QString &container);

    //! Without the directories that it has in the archive: what rules know as its file name.
    QString fileName() const;
    //! With all of them.
    const QString &path() const { return m_path; }
    //! \p outer, the place of the archive, and this behind it: "inner.tar!docs/x.exe". Printable;
    //! the name takes Limits::maxMemberNameBytes at most, the whole IpcLimits::maxMemberBytes.
    QString placeIn(const QString &outer) const;

private:
    QString m_path;
};

} // namespace Sentinel
