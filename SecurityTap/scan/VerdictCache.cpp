// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/VerdictCache.h"

#include <QCryptographicHash>
#include <QtEndian>

#include <algorithm>
#include <iterator>
#include <utility>

namespace Sentinel {

namespace {

void addPart(QCryptographicHash &hash, const QByteArray &part)
{
    // With its length before it, no part can pass for the end of one and the start of the next.
    const quint64 length = qToLittleEndian(static_cast<quint64>(part.size()));
    hash.addData(QByteArrayView(reinterpret_cast<const char *>(&length), sizeof(length)));
    hash.addData(part);
}

//! What kills its engine will do so again.
bool isWorthRemembering(const ScanResult &result)
{
    // A Clean that an engine had no part in is for now: it may be there the next time.
    if (result.verdict() == Verdict::Clean)
        return !result.coverage().hasFailedEngine();
    return result.isThreat() || result.reason() == Reason::EngineCrashed;
}

Deadline expiry(std::chrono::milliseconds timeToLive)
{
    const Deadline now = Clock::now();
    // Compared in milliseconds: a setting of "for ever" would overflow the clock's nanoseconds.
    if (timeToLive >= std::chrono::floor<std::chrono::milliseconds>(noDeadline - now))
        return noDeadline;
    return now + timeToLive;
}

} // namespace

VerdictCache::VerdictCache(Settings settings) : m_settings(settings) { }

QByteArray VerdictCache::key(
    const QByteArray &contentSha256, const QByteArray &ruleSetDigest, const QByteArrayList &visible)
{
    QCryptographicHash hash(QCryptographicHash::Sha256);
    addPart(hash, contentSha256);
    addPart(hash, ruleSetDigest);
    for (const QByteArray &part : visible)
        addPart(hash, part);
    return hash.result();
}

VerdictCache::Answer VerdictCache::ask(const QByteArray &key, std::function<void()> onSettled)
{
    if (!m_settings.enabled)
        return {Role::Leader, std::nullopt};

    const std::lock_guard lock(m_mutex);
    if (const auto it = m_remembered.find(key); it != m_remembered.end()) {
        if (it->second.expires > Clock::now()) {
            m_byAge.splice(m_byAge.end(), m_byAge, it->second.age);
            ++m_statistics.hits;
            return {Role::Hit, it->second.result};
        }
        m_byAge.erase(it->second.age);
        m_remembered.erase(it);
    }

    const auto [scan, isFirst] = m_inFlight.try_emplace(key);
    if (isFirst) {
        ++m_statistics.misses;
        return {Role::Leader, std::nullopt};
    }
    scan->second.push_back(std::move(onSettled));
    ++m_statistics.shared;
    return {Role::Follower, std::nullopt};
}

void VerdictCache::settle(const QByteArray &key, const std::optional<ScanResult> &result)
{
    if (!m_settings.enabled)
        return;

    std::vector<std::function<void()>> followers;
    {
        const std::lock_guard lock(m_mutex);
        if (const auto it = m_inFlight.find(key); it != m_inFlight.end()) {
            followers = std::move(it->second);
            m_inFlight.erase(it);
        }
        if (result && isWorthRemembering(*result))
            remember(key, *result);
    }
    for (const std::function<void()> &onSettled : followers) {
        if (onSettled)
            onSettled();
    }
}

void VerdictCache::remember(const QByteArray &key, const ScanResult &result)
{
    if (const auto old = m_remembered.find(key); old != m_remembered.end()) {
        m_byAge.erase(old->second.age);
        m_remembered.erase(old);
    }
    m_byAge.push_back(key);
    m_remembered.emplace(
        key, Remembered{result, expiry(m_settings.timeToLive), std::prev(m_byAge.end())});

    while (std::cmp_greater(m_remembered.size(), std::max(m_settings.maxEntries, 0))) {
        m_remembered.erase(m_byAge.front());
        m_byAge.pop_front();
    }
}

void VerdictCache::clear()
{
    const std::lock_guard lock(m_mutex);
    m_remembered.clear();
    m_byAge.clear();
}

VerdictCache::Statistics VerdictCache::statistics() const
{
    const std::lock_guard lock(m_mutex);
    Statistics statistics = m_statistics;
    statistics.entries = static_cast<int>(m_remembered.size());
    return statistics;
}

} // namespace Sentinel
