// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/SecurityEvent.h"

#include "SecurityTap/Limits.h"
#include "SecurityTap/content/FileName.h"
#include "SecurityTap/content/FileType.h"

#include <QLocale>

#include <algorithm>
#include <array>
#include <optional>

namespace Sentinel {

namespace {

using namespace Qt::StringLiterals;

QString shownName(const QString &name)
{
    const QString start = printable(name.left(Limits::maxFileNameBytes));
    return name.size() <= Limits::maxFileNameBytes ? start : start + u"..."_s;
}

// ---- names

// ".." as some system may take it: written in percents, in wide characters, with spaces behind.
bool isParent(QStringView component)
{
    return component.trimmed() == ".."_L1;
}

bool leavesDirectory(const QString &name)
{
    QString path = name;
    path.replace(u'\\', u'/');
    path.removeIf([](QChar c) { return c.category() == QChar::Other_Format; });
    const bool hasDrive =
        path.size() > 2 && path[0].isLetter() && path[1] == u':' && path[2] == u'/';
    if (path.startsWith(u'/') || path.startsWith("~/"_L1) || hasDrive)
        return true;
    const auto components = QStringView(path).split(u'/');
    return std::any_of(components.begin(), components.end(), isParent);
}

bool isTraversal(const QString &name)
{
    const QString decoded = QString::fromUtf8(QByteArray::fromPercentEncoding(name.toUtf8()));
    return leavesDirectory(name) || leavesDirectory(decoded)
        || leavesDirectory(decoded.normalized(QString::NormalizationForm_KC));
}

// Not the other characters without a shape: joiners and marks belong to names in some scripts.
bool turnsAround(QChar c)
{
    constexpr QStringView turning = u"\u202b\u202d\u202e\u2067";
    return turning.contains(c);
}

// An extension such as "e<zero width>xe". Joiners in what is no extension are writing.
bool hasExtensionInPieces(const QString &name)
{
    QString extension = name.sliced(name.lastIndexOf(u'.') + 1);
    const qsizetype size = extension.size();
    extension.removeIf([](QChar c) { return c.category() == QChar::Other_Format; });
    return extension.size() < size && name.contains(u'.')
        && std::all_of(extension.begin(), extension.end(),
            [](QChar c) { return c.unicode() < 0x80 && c.isLetterOrNumber(); });
}

bool hasHiddenExtension(const QString &name)
{
    static constexpr std::array started{"bat"_L1, "cmd"_L1, "com"_L1, "cpl"_L1, "desktop"_L1,
        "exe"_L1, "hta"_L1, "jar"_L1, "js"_L1, "jse"_L1, "lnk"_L1, "msi"_L1, "pif"_L1, "ps1"_L1,
        "reg"_L1, "scf"_L1, "scr"_L1, "url"_L1, "vbe"_L1, "vbs"_L1, "wsf"_L1, "wsh"_L1};
    static constexpr std::array looked{"avi"_L1, "bmp"_L1, "doc"_L1, "docx"_L1, "gif"_L1, "jpeg"_L1,
        "jpg"_L1, "mkv"_L1, "mov"_L1, "mp3"_L1, "mp4"_L1, "odp"_L1, "ods"_L1, "odt"_L1, "pdf"_L1,
        "png"_L1, "ppt"_L1, "pptx"_L1, "rtf"_L1, "txt"_L1, "wav"_L1, "webp"_L1, "xls"_L1,
        "xlsx"_L1};
    const QStringList parts = sanitisedFileName(name).toLower().split(u'.');
    if (parts.size() < 3)
        return false; // "pdf.js" has one extension only
    const QString last = parts.constLast();
    const QString before = parts[parts.size() - 2].trimmed();
    return std::find(started.begin(), started.end(), last) != started.end()
        && std::find(looked.begin(), looked.end(), before) != looked.end();
}

bool isDeceptive(const QString &name)
{
    const auto isControl = [](QChar c) { return c.category() == QChar::Other_Control; };
    return std::any_of(name.begin(), name.end(), isControl)
        || std::any_of(name.begin(), name.end(), turnsAround) || hasExtensionInPieces(name)
        || hasHiddenExtension(name);
}

// ---- types

//! What a type promises that a content is not.
enum class Promise : quint8 {
    Text, //!< no program; scripts are text
    Page, //!< nor an archive
    Media, //!< no program, script or archive
    Document, //!< the same
    OfficeDocument, //!< the same, but it may be a zip
    Archive, //!< no program or script
};

struct PromisingType {
    QLatin1StringView name;
    Promise promise;
};

// Types that are never a server's word for "I do not know", and of which every content has a sign.
constexpr std::array promisingTypes{
    PromisingType{"text/plain"_L1, Promise::Text},
    PromisingType{"text/markdown"_L1, Promise::Text},
    PromisingType{"text/xml"_L1, Promise::Text},
    PromisingType{"application/json"_L1, Promise::Text},
    PromisingType{"application/xml"_L1, Promise::Text},
    PromisingType{"image/svg+xml"_L1, Promise::Text},
    PromisingType{"text/html"_L1, Promise::Page},
    PromisingType{"text/css"_L1, Promise::Page},
    PromisingType{"text/csv"_L1, Promise::Page},
    PromisingType{"text/calendar"_L1, Promise::Page},
    PromisingType{"application/xhtml+xml"_L1, Promise::Page},
    PromisingType{"image/avif"_L1, Promise::Media},
    PromisingType{"image/bmp"_L1, Promise::Media},
    PromisingType{"image/gif"_L1, Promise::Media},
    PromisingType{"image/heic"_L1, Promise::Media},
    PromisingType{"image/jpeg"_L1, Promise::Media},
    PromisingType{"image/jpg"_L1, Promise::Media},
    PromisingType{"image/png"_L1, Promise::Media},
    PromisingType{"image/tiff"_L1, Promise::Media},
    PromisingType{"image/vnd.microsoft.icon"_L1, Promise::Media},
    PromisingType{"image/webp"_L1, Promise::Media},
    PromisingType{"image/x-icon"_L1, Promise::Media},
    PromisingType{"audio/flac"_L1, Promise::Media},
    PromisingType{"audio/mp4"_L1, Promise::Media},
    PromisingType{"audio/mpeg"_L1, Promise::Media},
    PromisingType{"audio/ogg"_L1, Promise::Media},
    PromisingType{"audio/wav"_L1, Promise::Media},
    PromisingType{"audio/webm"_L1, Promise::Media},
    PromisingType{"audio/x-wav"_L1, Promise::Media},
    PromisingType{"video/mp4"_L1, Promise::Media},
    PromisingType{"video/mpeg"_L1, Promise::Media},
    PromisingType{"video/ogg"_L1, Promise::Media},
    PromisingType{"video/quicktime"_L1, Promise::Media},
    PromisingType{"video/webm"_L1, Promise::Media},
    PromisingType{"video/x-matroska"_L1, Promise::Media},
    PromisingType{"video/x-msvideo"_L1, Promise::Media},
    PromisingType{"font/otf"_L1, Promise::Media},
    PromisingType{"font/ttf"_L1, Promise::Media},
    PromisingType{"font/woff"_L1, Promise::Media},
    PromisingType{"font/woff2"_L1, Promise::Media},
    PromisingType{"application/pdf"_L1, Promise::Document},
    PromisingType{"application/rtf"_L1, Promise::Document},
    PromisingType{"text/rtf"_L1, Promise::Document},
    PromisingType{"application/epub+zip"_L1, Promise::OfficeDocument},
    PromisingType{"application/msword"_L1, Promise::OfficeDocument},
    PromisingType{"application/vnd.ms-excel"_L1, Promise::OfficeDocument},
    PromisingType{"application/vnd.ms-powerpoint"_L1, Promise::OfficeDocument},
    PromisingType{"application/zip"_L1, Promise::Archive},
    PromisingType{"application/x-zip-compressed"_L1, Promise::Archive},
    PromisingType{"application/x-7z-compressed"_L1, Promise::Archive},
    PromisingType{"application/vnd.rar"_L1, Promise::Archive},
    PromisingType{"application/x-rar-compressed"_L1, Promise::Archive},
};

std::optional<Promise> promiseOf(const QString &type)
{
    const auto found = std::find_if(promisingTypes.begin(), promisingTypes.end(),
        [&](const PromisingType &known) { return type == known.name; });
    if (found != promisingTypes.end())
        return found->promise;
    const bool isOffice = type.startsWith("application/vnd.openxmlformats-officedocument."_L1)
        || type.startsWith("application/vnd.oasis.opendocument."_L1);
    return isOffice ? std::optional(Promise::OfficeDocument) : std::nullopt;
}

// One compressed file, which also is how any content may be sent (Content-Encoding).
bool isCompressedStream(const QString &format)
{
    static constexpr std::array streams{
        "GZIP"_L1, "BZIP2"_L1, "XZ"_L1, "ZSTD"_L1, "LZ4"_L1, "LZIP"_L1, "COMPRESS"_L1};
    return std::find(streams.begin(), streams.end(), format) != streams.end();
}

// A text may begin like a program ("MZ") or an archive ("070701"), but those have zeros near it.
bool isText(std::span<const uchar> start)
{
    const auto looked = start.first(std::min(start.size(), size_t(fileTypeSniffBytes)));
    return std::find(looked.begin(), looked.end(), uchar(0)) == looked.end();
}

bool isBroken(Promise promise, FileType type, const QString &format)
{
    switch (type) {
    case FileType::Executable:
        return true;
    case FileType::Script:
        return promise != Promise::Text && promise != Promise::Page; // in wide characters
    case FileType::Archive:
        if (promise == Promise::Text || promise == Promise::Archive || isCompressedStream(format))
            return false;
        return promise != Promise::OfficeDocument || format != "ZIP"_L1;
    default:
        return false;
    }
}

bool isOtherType(const QString &announced, std::span<const uchar> start)
{
    const auto promise = promiseOf(announced);
    if (!promise)
        return false;
    const bool promisesText = *promise == Promise::Text || *promise == Promise::Page;
    return !(promisesText && isText(start))
        && isBroken(*promise, sniffFileType(start, {}), fileTypeName(start));
}

// ---- sizes

bool isOtherSize(std::optional<qint64> announced, const ArrivedContent &content)
{
    return announced
        && (content.sizeBytes > *announced || (content.hasEnded && content.sizeBytes < *announced));
}

} // namespace

QString nameOf(SecurityEvent::Kind kind)
{
    switch (kind) {
    case SecurityEvent::Kind::PathTraversal:
        return u"path-traversal"_s;
    case SecurityEvent::Kind::MimeMismatch:
        return u"mime-mismatch"_s;
    case SecurityEvent::Kind::SizeViolation:
        return u"size-violation"_s;
    case SecurityEvent::Kind::DeceptiveName:
        return u"deceptive-name"_s;
    }
    return {};
}

std::vector<SecurityEvent> securityEvents(const Download &download, const ArrivedContent &content)
{
    using enum SecurityEvent::Kind;
    std::vector<SecurityEvent> events;
    const DownloadMetadata &said = download.metadata;
    if (isTraversal(said.filename)) {
        events.push_back({PathTraversal,
            u"The name \"%1\" was proposed, which would leave the directory of downloads."_s.arg(
                shownName(said.filename))});
    }
    if (isDeceptive(said.filename)) {
        events.push_back({DeceptiveName,
            u"The name \"%1\" was proposed, which hides what kind of file it is."_s.arg(
                shownName(said.filename))});
    }
    const QString announced = said.mimeType.section(u';', 0, 0).trimmed().toLower();
    if (isOtherType(announced, content.start)) {
        events.push_back({MimeMismatch,
            u"It was announced as %1, but its content is of the kind %2."_s.arg(
                announced, fileTypeName(content.start))});
    }
    if (isOtherSize(said.sizeBytes, content)) {
        const QLocale locale = QLocale::c();
        events.push_back({SizeViolation,
            u"%1 bytes were announced, and %2 arrived."_s.arg(
                locale.toString(*said.sizeBytes), locale.toString(content.sizeBytes))});
    }
    return events;
}

} // namespace Sentinel
