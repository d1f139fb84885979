// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/audit/AuditEvent.h"
#include "SecurityTap/content/Content.h"
#include "SecurityTap/custody/CustodySettings.h"
#include "SecurityTap/history/Rescans.h"
#include "SecurityTap/jobs/JobSchedule.h"
#include "SecurityTap/policy/Decision.h"
#include "SecurityTap/policy/PolicyExceptions.h"
#include "SecurityTap/quarantine/QuarantineRecord.h"
#include "SecurityTap/scan/Mailbox.h"

#include <QObject>
#include <QStringList>

#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <set>

namespace Sentinel {

class CustodyDesk;
class ReleaseDesk;
class SerialThread;

//! \brief What follows decisions and outlives their process: keeps what is quarantined, writes down
//! what was decided, remembers what was released, and scans later what was let through unscanned.
//!
//! The stores are opened by threads of their own when they are needed; what cannot be opened is
//! said once (trouble()), and downloads go on: what was to be quarantined is blocked.
//!
//! Owner:  its SecurityTap.
//! Thread: exceptions(), quarantine(), oweNow() and note(): any; the rest owner.
//! Blocks: promise() and oweNow() for the disk, up to Limits::promisePatience; the destructor up to
//!         Limits::stopPatience for what is under way.
class SECURITYTAP_EXPORT Custody final : public QObject {
    Q_OBJECT

public:
    //! Why something is noted about a download.
    enum class Occasion : quint8 {
        Decision,
        Resolution, //!< its user has said what to do: what was found is noted already
    };
    //! The outcome that stands: with its item, or, if it could not be stored, blocked. Told on a
    //! thread of the custody's.
    using Quarantined = std::function<void(const Outcome &outcome)>;
    //! What is owed a scan, as it is known from now on: its hash and its id, if it has such.
    //! Told on the owner's thread.
    using Owed = std::function<void(const ReleaseRecord &release)>;

    //! \p backend is where is scanned later, until use() names another; \p otherJobs are done
    //! besides those of the stores.
    Custody(ScanBackend &backend, Policy policy, CustodySettings settings,
        std::vector<Job> otherJobs = {});
    ~Custody() override;

    //! Begins with what is owed since other times, and with the periodic jobs.
    void start();
    void use(ScanBackend &backend) { m_rescans.use(backend); }

    //! The user's exceptions; none if they cannot be read. A stat() while nothing has changed, so
    //! ask only where one could matter.
    PolicyExceptions::View exceptions();

    //! Puts \p content away, of which \p outcome says Quarantine, and notes what comes of it.
    void quarantine(std::shared_ptr<const Content> content, const Download &download,
        const Outcome &outcome, FileType fileType, Occasion occasion, Quarantined then);
    //! Writes \p event into the audit log.
    void note(AuditEvent event);
    //! Writes what is worth it about a download that was decided.
    void note(
        const Download &download, const Outcome &outcome, FileType fileType, Occasion occasion);

    //! \p content is about to be given out unscanned; where to is not known yet. \p then is told
    //! once that is on disk, or cannot be.
    void owe(std::shared_ptr<const Content> content, ReleaseRecord release, Owed then);
    //! The same for who cannot be told later: returns once that is on disk, or said to be trouble.
    void oweNow(std::shared_ptr<const Content> content, ReleaseRecord release);
    //! Just before \p content appears as the file \p release.path, which is owed a scan: from here
    //! on it is not forgotten, whatever happens. Returns it as it is known; keep() is to follow.
    ReleaseRecord promise(std::shared_ptr<const Content> content, ReleaseRecord release);
    //! The file is there; or not, if \p release.path is empty.
    void keep(const ReleaseRecord &release);
    //! What was released with a verdict, for the case that a later one is another.
    void remember(ReleaseRecord release);

    //! A threat was found: who got these bytes before is told of it.
    void learn(const ScanResult &threat) { m_rescans.learn(threat); }
    //! The rules in use are known, or are others now: recent releases are judged by them.
    void judgeBy(const QByteArray &rulesDigest);
    //! A scan has ended: there may be room for another.
    void wake() { m_rescans.wake(); }

Q_SIGNALS:
    //! A threat in what was released before, and what was done about it, by the policy. Quarantine:
    //! the file was taken away; Block: it could not be, and is where it was. What may succeed
    //! another time is tried again, and told again only once the file was taken away.
    void lateThreat(const Sentinel::LateThreat &threat, Sentinel::Disposition disposition);
    //! A sentence for people: a store cannot be used.
    void trouble(const QString &text);

private:
    using OnRecord = std::expected<ReleaseRecord, QString>;

    ReleaseRecord onRecord(std::future<OnRecord> recorded, ReleaseRecord otherwise);
    void complain(const QString &text);
    void noteNeverScanned(const ReleaseRecord &record);
    void onLateThreat(const LateThreat &threat, const Rescans::Done &done);
    std::function<void(const QString &text)> complainer();
    std::function<void(AuditEvent)> noter();
    std::vector<Job> jobs(std::vector<Job> others);

    const Policy m_policy;
    const CustodySettings m_settings;
    const Mailbox m_mailbox;
    const std::shared_ptr<CustodyDesk> m_desk;
    const std::shared_ptr<SerialThread> m_thread; // the desk's
    const std::shared_ptr<ReleaseDesk> m_releases;
    const std::unique_ptr<SerialThread> m_releaseThread; // its own: downloads wait for it
    PolicyExceptions m_exceptions;
    Rescans m_rescans;
    JobSchedule m_jobs;
    QByteArray m_rulesDigest;
    std::set<qint64> m_stillThere; // late threats, by record: told of, and not taken away yet
    QStringList m_troubles; // said last
};

} // namespace Sentinel
