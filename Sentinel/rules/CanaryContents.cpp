// SPDX-License-Identifier: MIT
#include "Sentinel/rules/CanaryContents.h"

#include "SecurityTap/Limits.h"

#include <QtEndian>

#include <random>

namespace Sentinel {

namespace {

//! Puts \p value at \p offset into \p bytes, as programs have their numbers.
template <typename T>
void put(QByteArray &bytes, qsizetype offset, T value)
{
    qToLittleEndian(value, bytes.data() + offset);
}

//! The least that Linux runs: one segment, and in it "exit(0)" for x86-64. The format: elf(5).
QByteArray smallElf()
{
    const QByteArray code = QByteArray::fromHex("31ff6a3c580f05");
    constexpr qsizetype programHeader = 64;
    constexpr qsizetype codeOffset = programHeader + 56;
    constexpr quint64 address = 0x400000;
    QByteArray file(codeOffset, '\0');
    file.replace(0, 7,
        "\x7F"
        "ELF\x02\x01\x01"); // 64 bits, little endian
    put<quint16>(file, 16, 2); // an executable
    put<quint16>(file, 18, 62); // for x86-64
    put<quint32>(file, 20, 1);
    put<quint64>(file, 24, address + codeOffset); // entry
    put<quint64>(file, 32, programHeader);
    put<quint16>(file, 52, programHeader); // size of this header
    put<quint16>(file, 54, 56); // size of a program header
    put<quint16>(file, 56, 1); // how many
    put<quint32>(file, programHeader, 1); // to be loaded
    put<quint32>(file, programHeader + 4, 5); // readable, executable
    put<quint64>(file, programHeader + 16, address);
    put<quint64>(file, programHeader + 24, address);
    put<quint64>(file, programHeader + 32, quint64(codeOffset + code.size()));
    put<quint64>(file, programHeader + 40, quint64(codeOffset + code.size()));
    put<quint64>(file, programHeader + 48, 0x1000);
    return file + code;
}

//! A program for 32-bit Windows that returns at once: one section.
//! The format: https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
QByteArray smallPe()
{
    constexpr qsizetype header = 0x40;
    constexpr qsizetype optional = header + 24;
    constexpr qsizetype section = optional + 224;
    constexpr quint32 fileAlignment = 0x200;
    constexpr quint32 sectionAlignment = 0x1000;
    QByteArray file(2 * fileAlignment, '\0');
    file.replace(0, 2, "MZ");
    put<quint32>(file, 0x3C, header);
    file.replace(header, 2, "PE");
    put<quint16>(file, header + 4, 0x14C); // i386
    put<quint16>(file, header + 6, 1); // sections
    put<quint16>(file, header + 20, section - optional);
    put<quint16>(file, header + 22, 0x0102); // executable, 32 bits
    put<quint16>(file, optional, 0x10B);
    put<quint32>(file, optional + 4, fileAlignment); // size of code
    put<quint32>(file, optional + 16, sectionAlignment); // entry
    put<quint32>(file, optional + 20, sectionAlignment); // base of code
    put<quint32>(file, optional + 28, 0x400000); // image base
    put<quint32>(file, optional + 32, sectionAlignment);
    put<quint32>(file, optional + 36, fileAlignment);
    put<quint16>(file, optional + 40, 6); // Windows Vista or later
    put<quint16>(file, optional + 48, 6);
    put<quint32>(file, optional + 56, 2 * sectionAlignment); // size of the image
    put<quint32>(file, optional + 60, fileAlignment); // size of the headers
    put<quint16>(file, optional + 68, 3); // for the console
    put<quint32>(file, optional + 92, 16); // directories, all of them empty
    file.replace(section, 5, ".text");
    put<quint32>(file, section + 8, 3);
    put<quint32>(file, section + 12, sectionAlignment);
    put<quint32>(file, section + 16, fileAlignment);
    put<quint32>(file, section + 20, fileAlignment);
    put<quint32>(file, section + 36, 0x60000020); // code, readable, executable
    file.replace(fileAlignment, 3, "\x31\xC0\xC3"); // return 0
    return file;
}

QByteArray text()
{
    QByteArray letter;
    for (int day = 1; letter.size() < 16 * Limits::kib; ++day) {
        letter += "On day " + QByteArray::number(day)
            + " we walked along the river until the path ended at a wooden bridge.\n"
              "The weather was fine, our bread was fresh, and nobody was in a hurry.\n\n";
    }
    return letter;
}

QByteArray page()
{
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
           "<title>Opening hours</title>\n<style>body { margin: 2em; }</style></head>\n"
           "<body><h1>Opening hours</h1>\n<p>Monday to Friday, from nine to five.</p>\n"
           "<script>document.title += \" \" + new Date().getFullYear();</script>\n"
           "</body>\n</html>\n";
}

QByteArray noise()
{
    QByteArray bytes(64 * Limits::kib, Qt::Uninitialized);
    std::minstd_rand random; // of one and the same seed
    for (char &byte : bytes)
        byte = char(random() >> 8);
    return bytes;
}

} // namespace

CanaryContent eicarContent()
{
    // In two parts, so that no scanner takes this program for the file.
    return {QStringLiteral("the EICAR test file"),
        QByteArray("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-")
            + QByteArray("ANTIVIRUS-TEST-FILE!$H+H*")};
}

std::vector<CanaryContent> harmlessContents()
{
    constexpr qsizetype size = 64 * Limits::kib;
    return {
        {QStringLiteral("an empty file"), {}},
        {QStringLiteral("a letter"), text()},
        {QStringLiteral("a web page"), page()},
        {QStringLiteral("a small Linux program"), smallElf()},
        {QStringLiteral("a small Windows program"), smallPe()},
        {QStringLiteral("64 KiB of random bytes"), noise()},
        {QStringLiteral("64 KiB of the letter a"), QByteArray(size, 'a')},
        {QStringLiteral("64 KiB of zero bytes"), QByteArray(size, '\0')},
    };
}

} // namespace Sentinel
