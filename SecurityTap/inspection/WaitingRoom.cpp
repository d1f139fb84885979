// SPDX-License-Identifier: MIT
#include "SecurityTap/inspection/WaitingRoom.h"

#include <algorithm>

namespace Sentinel {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds longestStay = std::chrono::hours(24);

} // namespace

WaitingRoom::WaitingRoom(int maxGuests) : m_room(maxGuests)
{
    m_timer.setSingleShot(true);
    m_timer.callOnTimeout([this] { turnAwayOverdue(); });
}

bool WaitingRoom::enter(Guest &guest, const Place &place)
{
    Q_ASSERT(!m_places.contains(&guest));
    if (!m_room.tryTake(1, place.origin))
        return false;
    auto line = m_lines.find(place.origin);
    if (line == m_lines.end()) {
        m_turns.push_back({place.origin, {}});
        line = m_lines.emplace(place.origin, std::prev(m_turns.end())).first;
    }
    line->second->guests.emplace(std::pair(place.arrivedAt, place.number), &guest);
    m_places.emplace(&guest, place);
    m_ends.emplace(place.until, &guest);
    if (m_ends.begin()->second == &guest)
        sleep();
    return true;
}

void WaitingRoom::leave(Guest &guest)
{
    const auto at = m_places.find(&guest);
    if (at == m_places.end())
        return;
    const Place place = at->second;
    m_places.erase(at);
    m_ends.erase({place.until, &guest});
    m_room.giveBack(1, place.origin);
    const auto line = m_lines.find(place.origin);
    line->second->guests.erase({place.arrivedAt, place.number});
    if (!line->second->guests.empty())
        return;
    m_turns.erase(line->second);
    m_lines.erase(line);
}

void WaitingRoom::tryNext(int guests)
{
    for (; guests > 0 && !m_turns.empty(); --guests) {
        m_turns.splice(m_turns.end(), m_turns, m_turns.begin());
        tryFirst(std::prev(m_turns.end()));
    }
}

void WaitingRoom::tryFirst(quint64 origin)
{
    if (const auto line = m_lines.find(origin); line != m_lines.end())
        tryFirst(line->second);
}

void WaitingRoom::tryFirst(Lines::iterator line)
{
    Guest &guest = *line->guests.begin()->second;
    if (guest.tryAgain())
        leave(guest);
}

//! Until the first guest's time is over. An end that goes meanwhile is slept out.
void WaitingRoom::sleep()
{
    if (m_ends.empty())
        return m_timer.stop();
    const auto left = std::chrono::ceil<milliseconds>(m_ends.begin()->first - Clock::now());
    m_timer.start(std::clamp(left, milliseconds::zero(), longestStay));
}

void WaitingRoom::turnAwayOverdue()
{
    while (!m_ends.empty() && m_ends.begin()->first <= Clock::now()) {
        Guest &guest = *m_ends.begin()->second;
        leave(guest);
        guest.turnAway();
    }
    sleep();
}

} // namespace Sentinel
