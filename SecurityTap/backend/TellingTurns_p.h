// SPDX-License-Identifier: MIT
#pragma once

#include <QtCore/qglobal.h>

#include <deque>
#include <optional>
#include <unordered_map>

namespace Sentinel {

//! \brief Requests that the sentinel is to be told something of: those of one origin in their
//! order, the origins in turn, so that a flood's messages hold up nobody else's.
//!
//! Thread: one at a time.
class TellingTurns {
public:
    //! \p origin is a share key, or 0: without an origin, which is a line as well.
    void push(quint64 request, quint64 origin)
    {
        std::deque<quint64> &line = m_lines[origin];
        if (line.empty())
            m_turns.push_back(origin);
        line.push_back(request);
    }

    std::optional<quint64> pop()
    {
        if (m_turns.empty())
            return std::nullopt;
        const quint64 origin = m_turns.front();
        m_turns.pop_front();
        const auto line = m_lines.find(origin);
        const quint64 request = line->second.front();
        line->second.pop_front();
        if (line->second.empty())
            m_lines.erase(line);
        else
            m_turns.push_back(origin);
        return request;
    }

    void clear()
    {
        m_turns.clear();
        m_lines.clear();
    }

private:
    std::deque<quint64> m_turns; // the next origin first; each with a line
    std::unordered_map<quint64, std::deque<quint64>> m_lines; // by origin
};

} // namespace Sentinel
