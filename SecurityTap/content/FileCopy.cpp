// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileCopy.h"

#include "SecurityTap/Limits.h"
#include "ipc/Retried_p.h"

#include <algorithm>
#include <vector>

#include <sys/sendfile.h>
#include <unistd.h>

namespace Sentinel {

namespace {

constexpr qint64 copyChunkBytes = 256 * Limits::kib;

// A copy by hand, from \p offset on, for file systems between which the kernel does not.
qint64 copyByReading(int source, int target, qint64 offset, qint64 mostBytes)
{
    std::vector<char> chunk(static_cast<size_t>(std::min(copyChunkBytes, mostBytes - offset)));
    while (offset < mostBytes) {
        const auto want = std::min(static_cast<qint64>(chunk.size()), mostBytes - offset);
        const auto got = retried(
            [&] { return ::pread(source, chunk.data(), static_cast<size_t>(want), offset); });
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        for (ssize_t done = 0; done < got;) {
            const auto written = retried([&] {
                return ::pwrite(
                    target, chunk.data() + done, static_cast<size_t>(got - done), offset + done);
            });
            if (written < 0)
                return -1;
            done += written;
        }
        offset += got;
    }
    return offset;
}

} // namespace

qint64 copyBytes(int source, int target, qint64 mostBytes)
{
    if (retried([&] { return ::lseek(target, 0, SEEK_SET); }) < 0)
        return -1;
    off_t offset = 0;
    while (offset < mostBytes) {
        const auto want = static_cast<size_t>(std::min<qint64>(mostBytes - offset, Limits::gib));
        const auto sent = retried([&] { return ::sendfile(target, source, &offset, want); });
        if (sent == 0)
            break;
        if (sent < 0)
            return errno == EINVAL || errno == ENOSYS
                ? copyByReading(source, target, offset, mostBytes)
                : -1;
    }
    return offset;
}

} // namespace Sentinel
