// SPDX-License-Identifier: MIT
#pragma once

#include "ipc/Codec.h"
#include "tests/support/RandomMessages.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace Sentinel::Test {

//! \brief What somebody would send who wants to see a reader fall: frames that were valid before
//! something happened to them. The same ones for the same seed.
class HostileFrames {
public:
    explicit HostileFrames(quint32 seed) : m_messages(seed) { }

    //! A number below \p bound.
    int below(int bound) { return m_messages.random().bounded(bound); }

    //! A valid frame of any type.
    QByteArray anyFrame() { return encode(m_messages.make(size_t(below(int(messageTypes))))); }

    //! \p frame with one to three wounds; \p other gives frames to be spliced in.
    QByteArray mutate(QByteArray frame, const std::function<QByteArray()> &other)
    {
        for (int wounds = 1 + below(3); wounds > 0; --wounds)
            wound(frame, other);
        return frame;
    }

private:
    static constexpr size_t messageTypes = std::variant_size_v<Message>;

    void wound(QByteArray &frame, const std::function<QByteArray()> &other)
    {
        const int size = int(frame.size());
        if (size == 0)
            return;
        switch (below(7)) {
        case 0: // a bit
            frame[below(size)] ^= char(1 << below(8));
            break;
        case 1: // cut off
            frame.truncate(below(size));
            break;
        case 2: { // the head of one, the tail of another
            const QByteArray tail = other();
            frame = frame.first(below(size)) + tail.sliced(below(int(tail.size())));
            break;
        }
        case 3: // the length in the header
            overwrite(frame, 4, quint32(below(2) ? size : below(1 << 20)));
            break;
        case 4: // a length or a count within
            overwrite(frame, below(size), below(2) ? quint16(0xffff) : quint16(below(512)));
            break;
        case 5: // far more than there should be, now and then
            frame += QByteArray(below(8) == 0 ? below(200'000) : below(20), 'x');
            break;
        default: // a number
            overwrite(frame, below(size), m_messages.random().generate64() >> below(64));
            break;
        }
    }

    template <typename T>
    static void overwrite(QByteArray &frame, int at, T value)
    {
        const qsizetype room = std::max<qsizetype>(frame.size() - at, 0);
        std::memcpy(frame.data() + frame.size() - room, &value,
            size_t(std::min<qsizetype>(room, sizeof value)));
    }

    RandomMessages m_messages;
};

} // namespace Sentinel::Test
