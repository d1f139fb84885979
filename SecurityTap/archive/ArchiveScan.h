// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/archive/ArchiveReader.h"
#include "SecurityTap/archive/ArchiveSettings.h"
#include "SecurityTap/archive/ArchiveTally.h"
#include "SecurityTap/archive/MemberName.h"
#include "SecurityTap/engine/ScanEngine.h"

#include <QByteArray>

#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace Sentinel {

//! \brief A content's scan by another engine, and then that of each member of the archives in it.
//!
//! The content is scanned as it arrives. Once it is there, its archives are read, one member at a
//! time: its bytes are taken into memory, scanned, and looked into in their turn, before the next
//! one. What cannot be read or would go beyond a limit is told of in the Coverage; what there is of
//! it is scanned all the same.
//!
//! Thread: one at a time, each slice on any.
//! Limits: ArchiveSettings::limits. Overruns its budget by one call of an ArchiveReader or one
//! slice
//!         of the other engine.
class SECURITYTAP_EXPORT ArchiveScan final : public ScanTask {
public:
    ArchiveScan(std::shared_ptr<const ScanEngine> engine,
        std::shared_ptr<const ArchiveSettings> settings, const ScanSubject &subject,
        std::shared_ptr<const Content> content);
    ~ArchiveScan() override;
    Q_DISABLE_COPY_MOVE(ArchiveScan)

    Progress step(const SliceBudget &budget) override;
    ScanResult takeResult() override { return m_tally.result(); }

private:
    using Trouble = ArchiveTally::Trouble;

    //! A member whose bytes are read, then scanned.
    struct Member {
        MemberName name;
        QString place; // for people, from the outermost file
        QByteArray bytes;
        bool isFile = true;
        bool isWhole = true;
        bool isOverLimit = false; // what still comes is only counted
    };
    //! A content with archives in it: the file itself, or a member of the level below.
    struct Level {
        std::shared_ptr<const Content> content;
        QString fileName;
        QString filePath;
        QString place; // empty: the file itself
        std::vector<ArchivePlace> archives = {};
        size_t nextArchive = 0;
        bool isCertain = true; // the archive that is read: that it is one
        bool isPiece = false; // it may be a part of what comes out of another one
        bool hasRead = false; // something of it
        bool isOver = false; // nothing more can be read of it
        bool isSearched = false; // for archives that stand somewhere inside
        KnownExtents known = {}; // when it is
        std::unique_ptr<ArchiveReader> reader = nullptr;
        std::optional<Member> member = {};
        std::set<QByteArray> seen = {}; // names and contents, where an archive tells them twice
        std::shared_ptr<const Content> scanned = nullptr; // the member's bytes, once all are there
    };

    Progress stepInner(const SliceBudget &budget);
    void advance();
    void lookInto(Level level);
    void addArchives(Level &level, const std::vector<ArchivePlace> &places);
    void lookBehind(Level &level);
    void lookInside(Level &level);
    static void noteMember(Level &level, std::span<const uchar> bytes);
    static void notePacked(Level &level);
    static bool isPiece(const Level &level, const ArchivePlace &place);
    void openNext(Level &level);
    void readHeader(Level &level);
    void readBlock(Level &level);
    bool takeBlock(Level &level, const ArchiveBlock &block);
    bool isRepeated(Level &level);
    void beginScan(Level &level);
    void endScan(Level &level, ScanResult result);
    void endReader(Level &level);
    bool countExpanded(qint64 bytes, const QString &place);
    void addError(const Level &level, const ArchiveError &error, const QString &place);
    void stop() { m_isStopped = true; }
    qint64 heldBytes() const;
    void tellSuspicion(const SliceBudget &budget);

    const std::shared_ptr<const ScanEngine> m_engine;
    const std::shared_ptr<const ArchiveSettings> m_settings;
    const std::shared_ptr<const Content> m_content;
    const QString m_fileName;
    const QString m_filePath;

    std::unique_ptr<ScanTask> m_task; // of the file, or of the member on top
    std::vector<Level> m_levels;
    ArchiveTally m_tally;
    qint64 m_members = 0;
    qint64 m_expandedBytes = 0;
    qint64 m_toldFindings = 0;
    bool m_isStopped = false; // a limit of the whole file was hit
};

} // namespace Sentinel
