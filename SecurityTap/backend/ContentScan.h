// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/Content.h"
#include "SecurityTap/content/ContentHash.h"
#include "SecurityTap/engine/ScanEngine.h"
#include "SecurityTap/engine/ScanTask.h"
#include "SecurityTap/scan/ScanQueue.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "SecurityTap/scan/ScanTelemetry.h"
#include "SecurityTap/scan/VerdictCache.h"

#include <memory>
#include <optional>

namespace Sentinel {

//! \brief All that a worker does for one request: fetches its content, hashes it, asks the cache,
//! and has the engine scan it if nobody knows or is finding out.
//!
//! A complete content is hashed first. One that still arrives is scanned meanwhile, and the cache
//! asked when its last byte has come. The first scan of a content leads, the others follow it;
//! those of other clients only if the content was sealed before anybody looked at it.
//!
//! Thread: one at a time, each slice on any.
class ContentScan final : public ScanTask {
public:
    struct Surroundings {
        std::shared_ptr<VerdictCache> cache;
        std::shared_ptr<ScanTelemetry> telemetry;
        std::weak_ptr<ScanQueue> queue; // to be woken when a scan that is followed ends
        qint64 maxScanBytes = 0;
        bool hashContent = true;
    };

    ContentScan(const ScanRequest &request, std::shared_ptr<const ScanEngine> engine,
        Surroundings surroundings);
    //! Lets the followers of an unfinished scan go on.
    ~ContentScan() override;
    Q_DISABLE_COPY_MOVE(ContentScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override;

private:
    bool load();
    bool concernsAll() const;
    bool hasBeginning() const;
    std::optional<Progress> hash(const SliceBudget &budget);
    std::optional<Progress> askCache();
    ScanResult resultOfEngine();
    void conclude(ScanResult result);

    const quint64 m_requestId;
    const ScanSubject m_subject; // shares its content with the request, which may go first
    const std::shared_ptr<const ScanEngine> m_engine;
    const Surroundings m_around;
    std::shared_ptr<const Content> m_content;
    std::unique_ptr<ScanTask> m_engineTask;
    std::optional<ContentHash> m_hash; // if it is wanted, once there is a content
    QByteArray m_concerns; // the client that the verdict is for; empty: it is for all
    QByteArray m_key; // set while we lead
    bool m_asked = false;
    std::optional<ScanResult> m_result;
};

} // namespace Sentinel
