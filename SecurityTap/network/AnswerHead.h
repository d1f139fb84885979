// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/Download.h"

#include <optional>

class QNetworkReply;

//! What Qt's own reply says of a body beside its bytes.
namespace Sentinel::AnswerHead {

//! The download that the body is, by the request and the headers of its answer.
Download download(const QNetworkReply &reply);

//! How many bytes its reader should get; nothing where that is not said, or is said of bytes that
//! Qt decodes first.
std::optional<qint64> announcedBytes(const QNetworkReply &reply);

//! True if all of the body has arrived, whatever the server says with it: what Qt makes of an HTTP
//! status (404, ...) is no error of the transfer. Not Qt's word alone: of a connection that was
//! closed with its last bytes, Qt 6.4 says that there was no error.
bool isBodyComplete(const QNetworkReply &reply, qint64 arrivedBytes);

//! True if a body without a byte is a file without a byte, and not the absence of a body.
bool isEmptyFile(const QNetworkReply &reply);

} // namespace Sentinel::AnswerHead
