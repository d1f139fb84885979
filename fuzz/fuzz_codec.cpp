// SPDX-License-Identifier: MIT
#include "Sentinel/worker/WorkerWire.h"
#include "ipc/Codec.h"

#include <cstddef>
#include <cstdint>

using namespace Sentinel;

namespace {

template <typename T>
bool isSame(const T &first, const T &second)
{
    return first == second;
}

// But for an address: QUrl takes more than it writes, and may write that in another way. It is only
// shown.
bool isSame(Message first, Message second)
{
    for (Message *message : {&first, &second})
        if (auto *begin = std::get_if<ScanBegin>(message))
            begin->metadata.url.clear();
    return first == second;
}

// A frame is refused, or what was read from it can be written and is then read as the same.
template <typename Read>
void check(const char *reader, QByteArrayView frame, Read read)
{
    const auto first = read(frame);
    if (!first)
        return;
    const auto second = read(encode(*first));
    if (!second)
        qFatal("%s refuses its own: %s", reader, qPrintable(second.error().detail));
    if (!isSame(*first, *second))
        qFatal("%s reads its own as something else", reader);
}

// A message can be written in one way only: what reading has lost would be missing. (But for an
// address, as above.)
void checkNothingIsLost(QByteArrayView frame)
{
    const auto message = decode(frame);
    if (message && !std::holds_alternative<ScanBegin>(*message) && encode(*message) != frame)
        qFatal("decode() loses something");
}

} // namespace

// Every reader gets the bytes as they are, so that a file of the corpus is a frame and no more.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const QByteArrayView frame(bytes, qsizetype(size));
    check("decode()", frame, [](QByteArrayView f) { return decode(f); });
    checkNothingIsLost(frame);
    check("decodeRequest()", frame, [](QByteArrayView f) { return decodeRequest(f); });
    check("decodeReady()", frame, [](QByteArrayView f) { return decodeReady(f); });
    check("decodeAnswer()", frame, [](QByteArrayView f) { return decodeAnswer(f); });
    return 0;
}
