// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/MemberName.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"

#include <algorithm>
#include <array>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;

//! Longer than names in file systems are; rules need not see more.
constexpr qsizetype maxPathCharacters = 4096;

//! \p text in at most \p maxBytes of UTF-8, without its middle: the end tells the type.
QString shortened(const QString &text, qsizetype maxBytes)
{
    if (text.toUtf8().size() <= maxBytes)
        return text;
    constexpr qsizetype worstBytes = 3; // of a UTF-16 unit
    const qsizetype kept = (maxBytes - worstBytes) / worstBytes;
    qsizetype head = kept / 2;
    qsizetype tail = kept - head;
    if (text[head - 1].isHighSurrogate())
        --head;
    if (text[text.size() - tail].isLowSurrogate())
        --tail;
    return text.first(head) + u'…' + text.last(tail);
}

struct StreamSuffix {
    QLatin1StringView suffix;
    QLatin1StringView instead;
};

constexpr std::array streamSuffixes{
    StreamSuffix{".tgz"_L1, ".tar"_L1},
    StreamSuffix{".tbz"_L1, ".tar"_L1},
    StreamSuffix{".tbz2"_L1, ".tar"_L1},
    StreamSuffix{".txz"_L1, ".tar"_L1},
    StreamSuffix{".tzst"_L1, ".tar"_L1},
    StreamSuffix{".tlz"_L1, ".tar"_L1},
    StreamSuffix{".svgz"_L1, ".svg"_L1},
    StreamSuffix{".gz"_L1, ""_L1},
    StreamSuffix{".bz2"_L1, ""_L1},
    StreamSuffix{".xz"_L1, ""_L1},
    StreamSuffix{".lzma"_L1, ""_L1},
    StreamSuffix{".lz"_L1, ""_L1},
    StreamSuffix{".zst"_L1, ""_L1},
    StreamSuffix{".lz4"_L1, ""_L1},
    StreamSuffix{".z"_L1, ""_L1},
    StreamSuffix{".rpm"_L1, ".cpio"_L1},
};

} // namespace

MemberName::MemberName(QString name, qint64 number) : m_path(std::move(name))
{
    if (m_path.isEmpty())
        m_path = u"member %1"_s.arg(number);
    if (m_path.size() > maxPathCharacters)
        m_path = shortened(m_path, maxPathCharacters);
}

MemberName MemberName::ofStreamIn(const QString &container)
{
    const auto known = std::ranges::find_if(streamSuffixes, [&](const StreamSuffix &one) {
        return container.size() > one.suffix.size()
            && container.endsWith(one.suffix, Qt::CaseInsensitive);
    });
    if (known == streamSuffixes.end())
        return {container.isEmpty() ? u"content"_s : container, 1};
    return {container.chopped(known->suffix.size()) + known->instead, 1};
}

QString MemberName::fileName() const
{
    // Archives of both worlds come everywhere.
    const qsizetype slash = std::max(m_path.lastIndexOf(u'/'), m_path.lastIndexOf(u'\\'));
    return m_path.sliced(slash + 1);
}

QString MemberName::placeIn(const QString &outer) const
{
    const QString name = shortened(printable(m_path), Limits::maxMemberNameBytes);
    return outer.isEmpty() ? name : shortened(outer + u'!' + name, IpcLimits::maxMemberBytes);
}

} // namespace Sentinel
