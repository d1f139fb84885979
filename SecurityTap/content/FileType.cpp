// SPDX-License-Identifier: MIT
#include "SecurityTap/content/FileType.h"

#include <QByteArray>

#include <algorithm>
#include <array>
#include <string_view>

namespace Sentinel {

namespace {

using namespace std::string_view_literals;

struct Kind {
    FileType type = FileType::Unknown;
    const char *name = "";
};

struct Signature {
    std::string_view bytes;
    size_t offset;
    FileType type;
    const char *name;
};

// The first that fits counts. From the formats' own documents; the media types also from
// https://mimesniff.spec.whatwg.org.
constexpr std::array signatures{
    Signature{"MZ"sv, 0, FileType::Executable, "PE"},
    Signature{"\x7f"
              "ELF"sv,
        0, FileType::Executable, "ELF"},
    Signature{"\xfe\xed\xfa\xce"sv, 0, FileType::Executable, "MACHO"},
    Signature{"\xfe\xed\xfa\xcf"sv, 0, FileType::Executable, "MACHO"},
    Signature{"\xce\xfa\xed\xfe"sv, 0, FileType::Executable, "MACHO"},
    Signature{"\xcf\xfa\xed\xfe"sv, 0, FileType::Executable, "MACHO"},
    Signature{"\xca\xfe\xba\xbf"sv, 0, FileType::Executable, "MACHO"},
    Signature{"\x4c\0\0\0\x01\x14\x02\0"sv, 0, FileType::Executable, "LNK"},
    Signature{"dex\n"sv, 0, FileType::Executable, "DEX"},
    Signature{"\0asm"sv, 0, FileType::Executable, "WASM"},
    Signature{"FWS"sv, 0, FileType::Executable, "SWF"},
    Signature{"CWS"sv, 0, FileType::Executable, "SWF"},
    Signature{"ZWS"sv, 0, FileType::Executable, "SWF"},

    Signature{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, 0, FileType::Document, "OLE2"},
    Signature{"{\\rt"sv, 0, FileType::Document, "RTF"}, // Word takes this much for RTF
    Signature{"%!PS"sv, 0, FileType::Document, "PS"},
    Signature{"ITSF"sv, 0, FileType::Document, "CHM"},
    Signature{"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d"sv, 0, FileType::Document, "ONE"},

    Signature{"PK\x03\x04"sv, 0, FileType::Archive, "ZIP"},
    Signature{"PK\x05\x06"sv, 0, FileType::Archive, "ZIP"},
    Signature{"PK\x07\x08"sv, 0, FileType::Archive, "ZIP"},
    Signature{"\x1f\x8b"sv, 0, FileType::Archive, "GZIP"},
    Signature{"BZh"sv, 0, FileType::Archive, "BZIP2"},
    Signature{"\xfd"
              "7zXZ\0"sv,
        0, FileType::Archive, "XZ"},
    Signature{"\x28\xb5\x2f\xfd"sv, 0, FileType::Archive, "ZSTD"},
    Signature{"\x04\x22\x4d\x18"sv, 0, FileType::Archive, "LZ4"},
    Signature{"LZIP"sv, 0, FileType::Archive, "LZIP"},
    Signature{"\x1f\x9d"sv, 0, FileType::Archive, "COMPRESS"},
    Signature{"7z\xbc\xaf\x27\x1c"sv, 0, FileType::Archive, "7Z"},
    Signature{"Rar!\x1a\x07"sv, 0, FileType::Archive, "RAR"},
    Signature{"MSCF"sv, 0, FileType::Archive, "CAB"},
    Signature{"ISc("sv, 0, FileType::Archive, "ISCAB"},
    Signature{"xar!"sv, 0, FileType::Archive, "XAR"},
    Signature{"Cr24"sv, 0, FileType::Archive, "CRX"},
    Signature{"**ACE**"sv, 7, FileType::Archive, "ACE"},
    Signature{"-lh"sv, 2, FileType::Archive, "LHA"},
    Signature{"!<arch>\ndebian-binary"sv, 0, FileType::Archive, "DEB"},
    Signature{"!<arch>\n"sv, 0, FileType::Archive, "AR"},
    Signature{"\xed\xab\xee\xdb"sv, 0, FileType::Archive, "RPM"},
    Signature{"070701"sv, 0, FileType::Archive, "CPIO"},
    Signature{"hsqs"sv, 0, FileType::Archive, "SQUASHFS"},
    Signature{"vhdxfile"sv, 0, FileType::Archive, "VHDX"},
    Signature{"conectix"sv, 0, FileType::Archive, "VHD"},
    Signature{"ustar"sv, 257, FileType::Archive, "TAR"},

    Signature{"\x89PNG\r\n\x1a\n"sv, 0, FileType::Media, "PNG"},
    Signature{"\xff\xd8\xff"sv, 0, FileType::Media, "JPEG"},
    Signature{"GIF87a"sv, 0, FileType::Media, "GIF"},
    Signature{"GIF89a"sv, 0, FileType::Media, "GIF"},
    Signature{"RIFF"sv, 0, FileType::Media, "RIFF"},
    Signature{"II*\0"sv, 0, FileType::Media, "TIFF"},
    Signature{"MM\0*"sv, 0, FileType::Media, "TIFF"},
    Signature{"\0\0\x01\0"sv, 0, FileType::Media, "ICO"},
    Signature{"\0\0\x02\0"sv, 0, FileType::Media, "ICO"},
    Signature{"8BPS"sv, 0, FileType::Media, "PSD"},
    Signature{"\xd7\xcd\xc6\x9a"sv, 0, FileType::Media, "WMF"},
    Signature{"\x1a\x45\xdf\xa3"sv, 0, FileType::Media, "MKV"},
    Signature{"OggS"sv, 0, FileType::Media, "OGG"},
    Signature{"fLaC"sv, 0, FileType::Media, "FLAC"},
    Signature{"ID3"sv, 0, FileType::Media, "MP3"},
    Signature{"FLV\x01"sv, 0, FileType::Media, "FLV"},
    Signature{"MThd"sv, 0, FileType::Media, "MIDI"},
    Signature{"wOFF"sv, 0, FileType::Media, "WOFF"},
    Signature{"wOF2"sv, 0, FileType::Media, "WOFF"},
    Signature{"OTTO"sv, 0, FileType::Media, "FONT"},
    Signature{"ttcf"sv, 0, FileType::Media, "FONT"},
    Signature{"\0\x01\0\0\0"sv, 0, FileType::Media, "FONT"},
};

// How markup begins, in lower case; https://mimesniff.spec.whatwg.org, section 7.1.
constexpr std::array htmlStarts{"<!doctype html"sv, "<html"sv, "<head"sv, "<script"sv, "<iframe"sv,
    "<h1"sv, "<div"sv, "<font"sv, "<table"sv, "<a"sv, "<style"sv, "<title"sv, "<b"sv, "<body"sv,
    "<br"sv, "<p"sv};

struct TextStart {
    std::string_view start;
    Kind kind;
};

constexpr std::array textStarts{
    TextStart{"#!"sv, {FileType::Script, "SCRIPT"}},
    TextStart{"@echo off"sv, {FileType::Script, "BAT"}},
    TextStart{"[internetshortcut]"sv, {FileType::Script, "URL"}},
    TextStart{"windows registry editor"sv, {FileType::Script, "REG"}},
    TextStart{"regedit4"sv, {FileType::Script, "REG"}},
    TextStart{"<?php"sv, {FileType::Script, "PHP"}},
    TextStart{"<?xml"sv, {FileType::Markup, "XML"}},
    TextStart{"<svg"sv, {FileType::Markup, "SVG"}},
    TextStart{"<!--"sv, {FileType::Markup, "HTML"}},
};

struct MimeStart {
    std::string_view start;
    FileType type;
};

// The first that the MIME type begins with counts.
constexpr std::array mimeStarts{
    MimeStart{"application/x-msdos-program"sv, FileType::Executable},
    MimeStart{"application/x-msdownload"sv, FileType::Executable},
    MimeStart{"application/x-dosexec"sv, FileType::Executable},
    MimeStart{"application/x-executable"sv, FileType::Executable},
    MimeStart{"application/x-sharedlib"sv, FileType::Executable},
    MimeStart{"application/x-elf"sv, FileType::Executable},
    MimeStart{"application/x-mach-binary"sv, FileType::Executable},
    MimeStart{"application/x-java-vm"sv, FileType::Executable},
    MimeStart{"application/x-ms-shortcut"sv, FileType::Executable},
    MimeStart{"application/x-msi"sv, FileType::Executable},
    MimeStart{"application/vnd.microsoft.portable-executable"sv, FileType::Executable},
    MimeStart{"application/hta"sv, FileType::Script},
    MimeStart{"application/javascript"sv, FileType::Script},
    MimeStart{"application/x-javascript"sv, FileType::Script},
    MimeStart{"application/ecmascript"sv, FileType::Script},
    MimeStart{"application/x-sh"sv, FileType::Script}, // and x-shellscript
    MimeStart{"application/x-csh"sv, FileType::Script},
    MimeStart{"application/x-bat"sv, FileType::Script},
    MimeStart{"application/bat"sv, FileType::Script},
    MimeStart{"application/x-perl"sv, FileType::Script},
    MimeStart{"application/x-php"sv, FileType::Script},
    MimeStart{"application/x-powershell"sv, FileType::Script},
    MimeStart{"text/javascript"sv, FileType::Script},
    MimeStart{"text/ecmascript"sv, FileType::Script},
    MimeStart{"text/jscript"sv, FileType::Script},
    MimeStart{"text/vbscript"sv, FileType::Script},
    MimeStart{"text/x-sh"sv, FileType::Script},
    MimeStart{"text/x-bat"sv, FileType::Script},
    MimeStart{"text/x-msdos-batch"sv, FileType::Script},
    MimeStart{"text/x-perl"sv, FileType::Script},
    MimeStart{"text/x-python"sv, FileType::Script},
    MimeStart{"text/x-powershell"sv, FileType::Script},
    MimeStart{"application/pdf"sv, FileType::Document},
    MimeStart{"application/rtf"sv, FileType::Document},
    MimeStart{"text/rtf"sv, FileType::Document},
    MimeStart{"application/postscript"sv, FileType::Document},
    MimeStart{"application/msword"sv, FileType::Document},
    MimeStart{"application/vnd.ms-cab-compressed"sv, FileType::Archive},
    MimeStart{"application/vnd.ms-"sv, FileType::Document},
    MimeStart{"application/vnd.openxmlformats-officedocument"sv, FileType::Document},
    MimeStart{"application/vnd.oasis.opendocument"sv, FileType::Document},
    MimeStart{"application/zip"sv, FileType::Archive},
    MimeStart{"application/x-zip"sv, FileType::Archive},
    MimeStart{"application/gzip"sv, FileType::Archive},
    MimeStart{"application/x-7z-compressed"sv, FileType::Archive},
    MimeStart{"application/vnd.rar"sv, FileType::Archive},
    MimeStart{"application/x-rar"sv, FileType::Archive},
    MimeStart{"application/x-tar"sv, FileType::Archive},
    MimeStart{"application/x-iso9660-image"sv, FileType::Archive},
    MimeStart{"application/x-cd-image"sv, FileType::Archive},
    MimeStart{"application/x-raw-disk-image"sv, FileType::Archive},
    MimeStart{"application/x-apple-diskimage"sv, FileType::Archive},
    MimeStart{"text/html"sv, FileType::Markup},
    MimeStart{"text/xml"sv, FileType::Markup},
    MimeStart{"application/xml"sv, FileType::Markup},
    MimeStart{"application/xhtml+xml"sv, FileType::Markup},
    MimeStart{"image/svg+xml"sv, FileType::Markup},
    MimeStart{"image/"sv, FileType::Media},
    MimeStart{"audio/"sv, FileType::Media},
    MimeStart{"video/"sv, FileType::Media},
    MimeStart{"font/"sv, FileType::Media},
};

bool hasAt(std::string_view content, size_t offset, std::string_view bytes)
{
    return content.size() >= offset && content.substr(offset).starts_with(bytes);
}

// What one run of bytes at one place does not tell.
Kind bySpecialSignature(std::string_view content)
{
    // Java classes and universal Mach-O begin alike; then comes a version of at least 45 (in the
    // lower half) or a small number of architectures.
    if (hasAt(content, 0, "\xca\xfe\xba\xbe"sv)) {
        const bool isFewArchitectures = hasAt(content, 4, "\0\0\0"sv) && content.size() > 7
            && static_cast<uchar>(content[7]) < 45;
        return {FileType::Executable, isFewArchitectures ? "MACHO" : "CLASS"};
    }
    if (content.find("%PDF-"sv) != std::string_view::npos) // readers search the first 1024 bytes
        return {FileType::Document, "PDF"};
    if (hasAt(content, 0, "BM"sv) && hasAt(content, 6, "\0\0\0\0"sv))
        return {FileType::Media, "BMP"};
    if (hasAt(content, 0, "\0"sv) && hasAt(content, 4, "ftyp"sv))
        return {FileType::Media, "MP4"};
    if (hasAt(content, 0, "\x01\0\0\0"sv) && hasAt(content, 40, " EMF"sv))
        return {FileType::Media, "EMF"};
    return {};
}

Kind bySignature(std::string_view content)
{
    const auto found = std::find_if(signatures.begin(), signatures.end(),
        [&](const Signature &s) { return hasAt(content, s.offset, s.bytes); });
    if (found != signatures.end())
        return {found->type, found->name};
    return bySpecialSignature(content);
}

bool isUtf16(std::string_view content)
{
    return content.starts_with("\xff\xfe"sv) || content.starts_with("\xfe\xff"sv);
}

// Control characters other than white space and escape make it binary.
bool isPrintable(std::string_view content)
{
    return isUtf16(content) || std::none_of(content.begin(), content.end(), [](char c) {
        const auto byte = static_cast<uchar>(c);
        return (byte < 0x20 && (byte < '\t' || byte > '\r') && byte != 0x1b) || byte == 0x7f;
    });
}

// In lower case, in one byte a character, without byte order mark and leading white space.
QByteArray comparableText(std::string_view content)
{
    QByteArray text(content.data(), static_cast<qsizetype>(content.size()));
    if (isUtf16(content))
        text.remove(0, 2).removeIf([](char c) { return c == '\0'; });
    else if (text.startsWith("\xef\xbb\xbf"))
        text.remove(0, 3);
    qsizetype start = 0;
    while (start < text.size() && QByteArrayView(" \t\r\n\f").contains(text[start]))
        ++start;
    return text.sliced(start).toLower();
}

Kind byText(std::string_view content)
{
    if (content.empty() || !isPrintable(content))
        return {};
    const QByteArray text = comparableText(content);
    const std::string_view view(text.data(), static_cast<size_t>(text.size()));
    if (view.find("<hta:application"sv) != std::string_view::npos)
        return {FileType::Script, "HTA"};
    for (const TextStart &known : textStarts) {
        if (!view.starts_with(known.start))
            continue;
        const bool isSvg =
            known.start == "<?xml"sv && view.find("<svg"sv) != std::string_view::npos;
        return isSvg ? Kind{FileType::Markup, "SVG"} : known.kind;
    }
    for (const std::string_view start : htmlStarts) {
        // Only a whole tag: "<b" does not make "<bcc@example.org>" a page.
        const bool isWhole = view.size() > start.size()
            && " \t\r\n\f>/"sv.find(view[start.size()]) != std::string_view::npos;
        if (isWhole && view.starts_with(start))
            return {FileType::Markup, "HTML"};
    }
    return {FileType::Text, "TEXT"};
}

Kind byContent(std::span<const uchar> start)
{
    const auto size = std::min(start.size(), static_cast<size_t>(fileTypeSniffBytes));
    const std::string_view content(reinterpret_cast<const char *>(start.data()), size);
    const Kind kind = bySignature(content);
    return kind.type != FileType::Unknown ? kind : byText(content);
}

//! In the order of the enumeration.
constexpr std::array typeNames{
    "unknown", "executable", "script", "document", "archive", "markup", "media", "text"};
static_assert(typeNames.size() == size_t(FileType::Text) + 1);

FileType byMimeType(const QString &mimeType)
{
    const QByteArray mime = mimeType.section(u';', 0, 0).trimmed().toLower().toUtf8();
    const std::string_view view(mime.data(), static_cast<size_t>(mime.size()));
    for (const MimeStart &known : mimeStarts) {
        if (view.starts_with(known.start))
            return known.type;
    }
    return view.ends_with("+xml"sv) ? FileType::Markup : FileType::Unknown;
}

} // namespace

FileType sniffFileType(std::span<const uchar> start, const QString &mimeType)
{
    if (start.empty())
        return FileType::Unknown;
    const FileType content = byContent(start).type;
    if (content != FileType::Unknown && content != FileType::Text)
        return content;

    const FileType said = byMimeType(mimeType);
    if (content == FileType::Unknown)
        return said;
    // Of a text the name of the language is believed, but not that it is a picture or a program.
    const bool isBelievable =
        said == FileType::Script || said == FileType::Markup || said == FileType::Document;
    return isBelievable ? said : FileType::Text;
}

QString nameOf(FileType type)
{
    return QString::fromLatin1(typeNames[size_t(type)]);
}

std::optional<FileType> fileTypeFromName(const QString &name)
{
    const auto found = std::ranges::find_if(
        typeNames, [&name](const char *one) { return name == QLatin1StringView(one); });
    if (found == typeNames.end())
        return std::nullopt;
    return FileType(found - typeNames.begin());
}

QString fileTypeName(std::span<const uchar> start)
{
    return QString::fromLatin1(byContent(start).name);
}

} // namespace Sentinel
