// SPDX-License-Identifier: MIT
// Stands in for libFuzzer where there is none: gives every file of the directories named to the
// target, once.
#include <QDir>
#include <QFile>

#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

namespace {

// How many files were replayed; -1 if one cannot be read.
int replay(const QDir &directory)
{
    const QStringList names = directory.entryList(QDir::Files, QDir::Name);
    for (const QString &name : names) {
        QFile file(directory.filePath(name));
        if (!file.open(QIODevice::ReadOnly)) {
            std::fprintf(stderr, "%s: %s\n", qPrintable(name), qPrintable(file.errorString()));
            return -1;
        }
        // Before it is tried: if it ends the process, it is the last one named.
        std::fprintf(stderr, "%s\n", qPrintable(name));
        const QByteArray bytes = file.readAll();
        LLVMFuzzerTestOneInput(
            reinterpret_cast<const uint8_t *>(bytes.constData()), size_t(bytes.size()));
    }
    return int(names.size());
}

} // namespace

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; ++i) {
        const int replayed = replay(QDir(QFile::decodeName(argv[i])));
        if (replayed <= 0) { // a corpus that is not there proves nothing
            std::fprintf(stderr, "%s: nothing to replay\n", argv[i]);
            return 1;
        }
        files += replayed;
    }
    std::fprintf(stderr, "%d files\n", files);
    return files > 0 ? 0 : 1;
}
