// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ClientLines.h"

#include "SecurityTap/Limits.h"

#include <algorithm>
#include <utility>

namespace Sentinel {

namespace {

constexpr Clock::duration usualSlice = Limits::sliceDuration;

} // namespace

//! Counted from the clock's beginning, so that all slices under way are one product.
Clock::duration ClientLines::Line::used(Clock::time_point now) const
{
    return m_used + m_running * now.time_since_epoch();
}

Clock::duration ClientLines::Line::expected(Clock::time_point now) const
{
    return used(now) + m_running * usualSlice;
}

ClientLines::Line &ClientLines::enter(quint64 client)
{
    Line &line = m_lines.try_emplace(client, client).first->second;
    ++line.m_requests;
    return line;
}

void ClientLines::leave(Line &line)
{
    if (--line.m_requests > 0)
        return;
    Q_ASSERT(line.m_ready.empty() && line.m_running == 0);
    // If the level stayed, two clients that ask again as soon as they are answered would always
    // begin below one that stays.
    m_level += std::clamp(line.m_used - m_level, Clock::duration::zero(), usualSlice);
    m_lines.erase(line.m_client);
}

const ClientLines::Line *ClientLines::find(quint64 client) const
{
    const auto it = m_lines.find(client);
    return it == m_lines.end() ? nullptr : &it->second;
}

void ClientLines::add(Line &line, const Key &key)
{
    if (line.m_ready.empty()) {
        line.m_used += std::max(m_level - line.expected(m_levelSince), Clock::duration::zero());
        m_ready.push_back(&line);
    }
    line.m_ready.insert(key);
}

void ClientLines::remove(Line &line, const Key &key)
{
    line.m_ready.erase(key);
    if (line.m_ready.empty())
        std::erase(m_ready, &line);
}

void ClientLines::move(Line &line, const Key &from, const Key &to)
{
    line.m_ready.erase(from);
    line.m_ready.insert(to);
}

//! Looks at every line: slices under way change their order all the time. There are no more than
//! connections, and mostly one.
ClientLines::Key ClientLines::take(Clock::time_point now)
{
    Q_ASSERT(!isEmpty());
    const auto rank = [now](const Line *line) {
        return std::pair(line->expected(now), *line->m_ready.begin());
    };
    Line &line = **std::ranges::min_element(m_ready, {}, rank);
    const Key key = *line.m_ready.begin();
    remove(line, key);
    m_level = std::max(m_level, line.used(now));
    m_levelSince = now;
    line.m_used -= now.time_since_epoch();
    ++line.m_running;
    return key;
}

void ClientLines::endSlice(Line &line, Clock::time_point now)
{
    Q_ASSERT(line.m_running > 0);
    line.m_used += now.time_since_epoch();
    --line.m_running;
}

} // namespace Sentinel
