// SPDX-License-Identifier: MIT
#include "SecurityTap/content/Content.h"

namespace Sentinel {

Content::Content(const uchar *bytes, std::shared_ptr<const void> owner)
    : m_bytes(bytes), m_owner(std::move(owner))
{
}

Content::Content(FileDescriptor file) : m_file(std::move(file)) { }

std::shared_ptr<Content> Content::fromByteArray(QByteArray bytes)
{
    // No header: the bytes are a literal's or belong to a lender who may free them before the scan.
    if (!bytes.data_ptr().d_ptr())
        bytes = QByteArray(bytes.constData(), bytes.size());

    auto owner = std::make_shared<const QByteArray>(std::move(bytes));
    const auto *start = reinterpret_cast<const uchar *>(owner->constData());
    const qint64 size = owner->size();
    auto content = std::make_shared<Content>(start, std::move(owner));
    content->grow(size);
    content->complete();
    return content;
}

Content::Extent Content::extent() const
{
    // Acquire: whoever sees a size sees the bytes that were written before it was announced.
    const quint64 extent = m_extent.load(std::memory_order_acquire);
    return {static_cast<qint64>(extent >> 1), (extent & 1) != 0};
}

std::span<const uchar> Content::span() const
{
    return {m_bytes, static_cast<size_t>(extent().sizeBytes)};
}

void Content::grow(qint64 sizeBytes)
{
    const Extent now = extent();
    if (!now.isComplete && sizeBytes > now.sizeBytes)
        m_extent.store(static_cast<quint64>(sizeBytes) << 1, std::memory_order_release);
}

void Content::complete()
{
    m_extent.fetch_or(1, std::memory_order_release);
}

} // namespace Sentinel
