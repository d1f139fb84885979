// SPDX-License-Identifier: MIT
// Writes frames of every type, as the codec makes them and as it never would, for the fuzzer to
// begin with. Usage: seed_codec DIRECTORY
#include "Sentinel/worker/WorkerWire.h"
#include "ipc/Codec.h"
#include "tests/support/RandomMessages.h"
#include "tests/support/RawFrame.h"

#include <QDir>
#include <QFile>

#include <cstdio>

using namespace Sentinel;
using namespace Sentinel::Test;

namespace {

QByteArrayList messages(RandomMessages &random)
{
    QByteArrayList frames;
    for (size_t type = 0; type < std::variant_size_v<Message>; ++type)
        frames.append(encode(random.make(type)));
    return frames;
}

QByteArrayList workerFrames(RandomMessages &random)
{
    WorkerRequest request;
    request.filename = QStringLiteral("a.exe");
    request.sizeBytes = random.random().bounded(1'000'000);
    request.slice = std::chrono::milliseconds(10);
    QByteArrayList frames;
    for (const auto kind :
        {WorkerRequest::Kind::Begin, WorkerRequest::Kind::Continue, WorkerRequest::Kind::Drop}) {
        request.kind = kind;
        frames.append(encode(request));
    }
    WorkerAnswer answer;
    answer.result = random.result();
    frames.append(encode(answer));
    answer.progress = ScanTask::Progress::More;
    frames.append(encode(answer));
    answer.result.reset();
    frames.append(encode(answer));
    WorkerReady ready;
    ready.sandbox.push_back({QStringLiteral("landlock"), false, QStringLiteral("no kernel")});
    frames.append(encode(ready));
    return frames;
}

// Verdicts that say more than they may, and lists and texts that lie about their size.
QByteArrayList contradictions()
{
    Raw::Verdict malicious;
    malicious.verdict = 2;
    malicious.findings = Raw::findings(Raw::Finding());
    Raw::Verdict cleanWithFindings = malicious;
    cleanWithFindings.verdict = 0;
    Raw::Verdict incomplete;
    incomplete.coverage.bytesScanned = 4;
    Raw::Verdict endless;
    endless.findings = Raw::u16(0xffff);
    return {Raw::Verdict().bytes(), malicious.bytes(), cleanWithFindings.bytes(),
        incomplete.bytes(), endless.bytes(), Raw::frame(3, Raw::u16(9) + "short"),
        Raw::frame(3, Raw::text("\xff\xfe")), Raw::frame(99, {}), Raw::frame(20, Raw::i64(1), 1)};
}

} // namespace

int main(int argc, char **argv)
{
    constexpr int rounds = 20;
    if (argc != 2)
        return 2;
    const QDir directory(QFile::decodeName(argv[1]));
    RandomMessages random(1);
    QByteArrayList frames = contradictions();
    for (int round = 0; round < rounds; ++round)
        frames += messages(random) + workerFrames(random);
    for (qsizetype i = 0; i < frames.size(); ++i) {
        QFile file(directory.filePath(QStringLiteral("seed-%1").arg(i)));
        if (!file.open(QIODevice::WriteOnly) || file.write(frames[i]) != frames[i].size()) {
            std::fprintf(
                stderr, "%s: %s\n", qPrintable(file.fileName()), qPrintable(file.errorString()));
            return 1;
        }
    }
    return 0;
}
