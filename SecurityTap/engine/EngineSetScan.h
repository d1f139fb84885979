// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/engine/EngineSet.h"
#include "SecurityTap/engine/ScanTask.h"

#include <memory>
#include <optional>
#include <vector>

namespace Sentinel {

//! \brief A content's scan by an EngineSet.
//!
//! Thread: one at a time, each slice on any.
class EngineSetScan final : public ScanTask {
public:
    //! One engine's part in it.
    struct Part {
        QString name;
        EngineSet::Need need = EngineSet::Need::Required;
        std::unique_ptr<ScanTask> task; //!< null: the engine is not for such a content, or is done
        std::optional<ScanResult> result = {};
    };

    explicit EngineSetScan(std::vector<Part> parts) : m_parts(std::move(parts)) { }
    Q_DISABLE_COPY_MOVE(EngineSetScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override;

private:
    std::vector<Part> m_parts;
};

} // namespace Sentinel
