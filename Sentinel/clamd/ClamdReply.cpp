// SPDX-License-Identifier: MIT
#include "Sentinel/clamd/ClamdReply.h"

#include "Sentinel/Limits.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace Sentinel {

namespace {

using ReplyKind = ClamdReply::Kind;

bool isDigits(QByteArrayView text)
{
    constexpr qsizetype most = 10; // of a descriptor's number
    return !text.isEmpty() && text.size() <= most
        && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

//! \p answer without the name that clamd has for what it scanned; nothing if it has another one.
std::optional<QByteArrayView> withoutSubject(QByteArrayView answer, ClamdWay way)
{
    constexpr QByteArrayView stream = "stream: ";
    constexpr QByteArrayView file = "fd[";
    constexpr QByteArrayView fileEnd = "]: ";
    if (way == ClamdWay::Stream) {
        if (!answer.startsWith(stream))
            return std::nullopt;
        return answer.sliced(stream.size());
    }
    const qsizetype end = answer.indexOf(fileEnd);
    if (!answer.startsWith(file) || end < 0
        || !isDigits(answer.sliced(file.size(), end - file.size())))
        return std::nullopt;
    return answer.sliced(end + fileEnd.size());
}

} // namespace

QString clamdWords(QByteArrayView said)
{
    QString words = QString::fromLatin1(said.first(std::min(said.size(), Limits::maxClamdWords)));
    const auto isPlain = [](QChar c) { return c >= u' ' && c <= u'~'; };
    std::ranges::replace_if(words, std::not_fn(isPlain), QChar(u'?'));
    return words;
}

ClamdReply ClamdReply::parse(QByteArrayView answer, ClamdWay way)
{
    constexpr QByteArrayView found = " FOUND";
    constexpr QByteArrayView error = " ERROR";
    constexpr QByteArrayView tooLarge = "INSTREAM size limit exceeded. ERROR";
    if (answer == tooLarge)
        return {ReplyKind::TooLarge, clamdWords(answer)};
    const std::optional<QByteArrayView> said = withoutSubject(answer, way);
    if (said && *said == "OK")
        return {ReplyKind::Clean, {}};
    if (said && said->endsWith(found) && said->size() > found.size())
        return {ReplyKind::Found, clamdWords(said->chopped(found.size()))};
    if (answer.endsWith(error))
        return {ReplyKind::Error, clamdWords(said.value_or(answer))};
    return {ReplyKind::NotUnderstood, clamdWords(answer)};
}

bool ClamdReply::tellsOfLimit() const
{
    return kind == ReplyKind::Found && words.startsWith(QLatin1String("Heuristics.Limits."));
}

ScanResult resultOf(const ClamdReply &reply, Coverage whole)
{
    switch (reply.kind) {
    case ReplyKind::Clean:
        return ScanResult::judge(std::move(whole), {}, {});
    case ReplyKind::Found:
        break;
    case ReplyKind::TooLarge:
        return ScanResult::notScanned(Reason::TooLarge,
            QStringLiteral("It is larger than clamd takes (StreamMaxLength of its settings)."));
    case ReplyKind::Error:
        return ScanResult::notScanned(
            Reason::EngineError, QStringLiteral("clamd says: %1").arg(reply.words));
    case ReplyKind::NotUnderstood:
        return ScanResult::notScanned(Reason::EngineError,
            QStringLiteral("clamd answered what is no answer: %1").arg(reply.words));
    }
    // Names of its own, for what it has not seen.
    if (reply.tellsOfLimit()) {
        whole.limitsHit = {reply.words};
        return ScanResult::notScanned(Reason::LimitHit,
            QStringLiteral("clamd has not seen all of it: %1").arg(reply.words), std::move(whole));
    }
    if (reply.words.startsWith(QLatin1String("Heuristics.Encrypted."))) {
        whole.limitsHit = {reply.words};
        return ScanResult::notScanned(Reason::Encrypted,
            QStringLiteral("clamd cannot look into it: %1").arg(reply.words), std::move(whole));
    }
    Finding finding;
    finding.engine = QStringLiteral("clamd");
    finding.rule = reply.words;
    finding.severity = Severity::Malicious;
    return ScanResult::judge(std::move(whole), {std::move(finding)}, {});
}

} // namespace Sentinel
