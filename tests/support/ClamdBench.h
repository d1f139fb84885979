// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/content/ContentFile.h"
#include "SecurityTap/scan/ScanRequest.h"
#include "Sentinel/clamd/ClamdEngine.h"
#include "tests/support/Patience.h"

#include <QByteArray>

#include <memory>

#include <sys/mman.h>
#include <unistd.h>

namespace Sentinel::Test {

//! \brief \p bytes in a sealed file in memory, as a sentinel has them.
inline std::shared_ptr<Content> fileContent(const QByteArray &bytes)
{
    auto file = contentFile(*Content::fromByteArray(bytes));
    if (!file)
        qFatal("no content: %s", qPrintable(file.error()));
    auto content = std::make_shared<Content>(std::move(*file));
    content->grow(bytes.size());
    content->complete();
    return content;
}

//! \brief \p bytes zeros that take no memory, and then \p end.
inline std::shared_ptr<Content> sparseContent(qint64 bytes, const QByteArray &end = {})
{
    FileDescriptor file(::memfd_create("sparse", MFD_CLOEXEC));
    if (::ftruncate(file.get(), bytes) != 0
        || ::pwrite(file.get(), end.constData(), size_t(end.size()), bytes) != end.size())
        qFatal("no sparse content");
    auto content = std::make_shared<Content>(std::move(file));
    content->grow(bytes + end.size());
    content->complete();
    return content;
}

inline const QByteArray eicar =
    QByteArray("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-") + "ANTIVIRUS-TEST-FILE!$H+H*";

//! \brief The settings of a test: \p address must be one.
inline ClamdSettings clamdSettings(const QString &address)
{
    auto parsed = ClamdAddress::parse(address);
    if (!parsed)
        qFatal("%s", qPrintable(parsed.error()));
    return {.address = std::move(*parsed)};
}

//! \brief A watch of a clamd, and scans by it, in slices as a pool of threads makes them.
class ClamdBench {
public:
    explicit ClamdBench(ClamdSettings settings)
        : watch(std::make_shared<ClamdWatch>(std::move(settings)))
    {
        watch->start(Clock::now() + patience, [this] { ++changes; });
        engine = std::make_shared<ClamdEngine>(watch);
    }
    explicit ClamdBench(const QString &address) : ClamdBench(clamdSettings(address)) { }

    //! Any thread.
    ScanResult scan(std::shared_ptr<const Content> content) const
    {
        const auto task = engine->begin({}, std::move(content));
        while (task->step({.until = Clock::now() + Limits::sliceDuration})
            != ScanTask::Progress::Done) { }
        return task->takeResult();
    }
    ScanResult scan(const QByteArray &bytes) const { return scan(fileContent(bytes)); }

    std::atomic<int> changes = 0;
    std::shared_ptr<ClamdWatch> watch;
    std::shared_ptr<ClamdEngine> engine;
};

} // namespace Sentinel::Test
