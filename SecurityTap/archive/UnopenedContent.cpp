// SPDX-License-Identifier: MIT
#include "SecurityTap/archive/UnopenedContent.h"

#include "SecurityTap/archive/ArchiveBytes_p.h"

namespace Sentinel {

namespace {

struct Unopened {
    qint64 at;
    QByteArrayView signature;
    const char *what;
};

constexpr QByteArrayView ole2("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");

constexpr Unopened unopened[] = {
    {0, ole2, "streams of an OLE2 document"},
    {0, "{\\rtf", "objects in an RTF document"},
    {7, "**ACE**", "members of an ACE archive"},
    {20, {"\xdc\xa7\xc4\xfd", 4}, "members of a ZOO archive"},
    {0, "xar!", "members of a XAR archive"},
    {0, {"MSWIM\0\0\0", 8}, "files of a WIM image"},
    {0, "ITSF", "pages of a CHM document"},
    {0, "ISc(", "members of an InstallShield cabinet"},
    {0, "hsqs", "files of a SquashFS image"},
    {0, {"\x89LZO\0\r\n", 7}, "the content of an lzop stream"},
    {0, {"LRZI", 4}, "the content of an lrzip stream"},
    {0, "\x1f\x1e", "the content of a pack stream"},
    {0, {"\x1f\xa0", 2}, "the content of an LZH stream"},
    {0, "ALZ\1", "members of an ALZ archive"},
    {0, "EGGA", "members of an EGG archive"},
    {0, "07070X", "files of a stripped cpio"},
    {0, "CWS", "the content of a Flash film"},
    {0, "ZWS", "the content of a Flash film"},
};

bool isArj(const ArchiveBytes &bytes)
{
    constexpr quint16 mostHeaderBytes = 2600;
    constexpr uchar mainHeader = 2; // where members have the kind of theirs
    const quint16 size = bytes.u16(2);
    return bytes.has(0, "\x60\xea") && size >= 30 && size <= mostHeaderBytes
        && bytes.byte(10) == mainHeader;
}

//! A disk image may have a second system of files beside the one that is read.
bool isUdf(const ArchiveBytes &bytes)
{
    constexpr qint64 sectorBytes = 2048;
    constexpr qint64 mostDescriptors = 64;
    for (qint64 sector = 16; sector < 16 + mostDescriptors; ++sector) {
        if (bytes.has(sector * sectorBytes + 1, "NSR0"))
            return true;
    }
    return false;
}

} // namespace

QString notLookedInto(std::span<const uchar> content)
{
    constexpr qint64 pdfHeaderWithin = 1024; // where readers look for it
    constexpr qint64 kolyBytes = 512; // the last ones of a DMG
    const ArchiveBytes bytes(content);
    for (const Unopened &each : unopened) {
        if (bytes.has(each.at, each.signature))
            return QLatin1StringView(each.what);
    }
    if (bytes.find("%PDF-", 0, pdfHeaderWithin) >= 0)
        return QStringLiteral("streams of a PDF document");
    if (isArj(bytes))
        return QStringLiteral("members of an ARJ archive");
    if (isUdf(bytes))
        return QStringLiteral("the UDF tree of a disk image");
    if (bytes.has(bytes.size() - kolyBytes, "koly"))
        return QStringLiteral("files of a DMG image");
    return {};
}

bool isEncryptedDocument(std::span<const uchar> content)
{
    // The name of its stream, in the directory: "EncryptedPackage" in UTF-16.
    constexpr QByteArrayView name("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0", 32);
    const ArchiveBytes bytes(content);
    return bytes.has(0, ole2) && bytes.find(name, 0, bytes.size()) >= 0;
}

} // namespace Sentinel
