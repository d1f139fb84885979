// SPDX-License-Identifier: MIT
#include "examples/demo/SampleFiles.h"

#include <QFile>
#include <QRandomGenerator>
#include <QtEndian>

namespace Sentinel::Demo {

namespace {

template <typename T>
void put(QByteArray &image, qsizetype offset, T value)
{
    qToLittleEndian(value, image.data() + offset);
}

} // namespace

QByteArray text(qsizetype size)
{
    const QByteArray line = "All that is gold does not need to glitter: this is a line of text.\n";
    return line.repeated(size / line.size() + 1).first(size);
}

QByteArray binary(qsizetype size, quint32 seed)
{
    QByteArray bytes((size + 3) / 4 * 4, Qt::Uninitialized);
    QRandomGenerator random(seed);
    random.fillRange(reinterpret_cast<quint32 *>(bytes.data()), bytes.size() / 4);
    bytes.truncate(size);
    return bytes;
}

QByteArray elfProgram()
{
    QFile file(QStringLiteral("/bin/ls"));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

QByteArray peProgram()
{
    constexpr qsizetype peOffset = 0x80;
    constexpr qsizetype optionalOffset = peOffset + 24;
    constexpr qsizetype sectionOffset = optionalOffset + 240;
    QByteArray image(0x400, '\0');
    image.replace(0, 2, "MZ");
    put<quint32>(image, 0x3c, peOffset);
    image.replace(peOffset, 4, QByteArray("PE\0\0", 4));
    put<quint16>(image, peOffset + 4, 0x8664); // machine: x86-64
    put<quint16>(image, peOffset + 6, 1); // sections
    put<quint16>(image, peOffset + 20, 240); // size of the optional header
    put<quint16>(image, peOffset + 22, 0x0022); // executable, large addresses
    put<quint16>(image, optionalOffset, 0x020b); // PE32+
    put<quint32>(image, optionalOffset + 4, 0x200); // size of code
    put<quint32>(image, optionalOffset + 16, 0x1000); // entry point
    put<quint32>(image, optionalOffset + 20, 0x1000); // base of code
    put<quint64>(image, optionalOffset + 24, 0x140000000); // image base
    put<quint32>(image, optionalOffset + 32, 0x1000); // section alignment
    put<quint32>(image, optionalOffset + 36, 0x200); // file alignment
    put<quint16>(image, optionalOffset + 40, 6); // operating system 6.0
    put<quint16>(image, optionalOffset + 48, 6); // subsystem version 6.0
    put<quint32>(image, optionalOffset + 56, 0x2000); // size of the image
    put<quint32>(image, optionalOffset + 60, 0x200); // size of the headers
    put<quint16>(image, optionalOffset + 68, 3); // console
    put<quint32>(image, optionalOffset + 108, 16); // data directories
    image.replace(sectionOffset, 5, ".text");
    put<quint32>(image, sectionOffset + 8, 3); // virtual size
    put<quint32>(image, sectionOffset + 12, 0x1000); // virtual address
    put<quint32>(image, sectionOffset + 16, 0x200); // size in the file
    put<quint32>(image, sectionOffset + 20, 0x200); // place in the file
    put<quint32>(image, sectionOffset + 36, 0x60000020); // code, may be run and read
    image.replace(0x200, 3, "\x31\xc0\xc3"); // xor eax, eax; ret
    return image;
}

} // namespace Sentinel::Demo
