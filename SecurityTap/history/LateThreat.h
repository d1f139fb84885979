// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/history/ReleaseRecord.h"
#include "ipc/FileDescriptor.h"
#include "ipc/FileType.h"
#include "ipc/ScanResult.h"

#include <QMetaType>

#include <memory>

namespace Sentinel {

//! \brief A threat in what was released before.
struct LateThreat {
    ReleaseRecord record; //!< as it was released: its verdict is the old one
    ScanResult result; //!< what is known now
    //! The released file, open for reading, if it is the very one and holds these bytes; else null,
    //! and nothing is to be done to what may be at its path. Read it by offset (pread).
    std::shared_ptr<const FileDescriptor> file;
    FileType fileType = FileType::Unknown; //!< as its bytes say; not known if they are not at hand
};

} // namespace Sentinel

Q_DECLARE_METATYPE(Sentinel::LateThreat)
