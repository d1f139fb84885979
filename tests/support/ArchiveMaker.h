// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>

#include <vector>

//! \brief Archives of every kind, made in memory: by libarchive where it writes them, by hand where
//! it only reads them (then stored, without compression).
namespace Sentinel::Test {

struct Packed {
    QByteArray name;
    QByteArray bytes;
};

//! \p format and \p options as libarchive names them: "zip", "zip:encryption=aes256".
QByteArray archiveOf(const char *format, const std::vector<Packed> &members,
    const char *options = nullptr, const char *password = nullptr);
//! By a filter as libarchive names it: "gzip", "xz", ...
QByteArray compressed(const char *filter, const QByteArray &bytes);

QByteArray zipOf(const QByteArray &name, const QByteArray &bytes);
QByteArray rarOf(const QByteArray &name, const QByteArray &bytes);
QByteArray rar5Of(const QByteArray &name, const QByteArray &bytes);
QByteArray lhaOf(const QByteArray &name, const QByteArray &bytes);
//! The name is said to be of \p codePage.
QByteArray lhaWithCodePage(const QByteArray &name, const QByteArray &bytes, int codePage);
QByteArray cabOf(const QByteArray &name, const QByteArray &bytes);
//! \p payload: a compressed cpio.
QByteArray rpmOf(const QByteArray &payload);

//! A zip of \p count members, each of which consists of the headers of all that follow and then of
//! one deflated content of \p zeros zero bytes that is there once. Their checksums are wrong.
QByteArray overlappingZip(int count, qint64 zeros);

} // namespace Sentinel::Test
