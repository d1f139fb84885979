// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/Deadline.h"

#include <QtCore/qglobal.h>

#include <compare>
#include <set>
#include <unordered_map>
#include <vector>

namespace Sentinel {

//! \brief The requests of a queue that are ready, a line for each client, and whose turn it is.
//!
//! Start-time fair queueing over worker time: the client that has used least goes first, among
//! equals the one with the best request. A slice under way counts by what it has taken so far and
//! one usual slice more, so that many workers who come at once do not all go to one client.
//!
//! A client that had nothing to run begins again at the level of those who had: it cannot save up.
//! A client without requests is forgotten. What it had beyond the level raises the level, by one
//! usual slice at most: so clients that come and go do not keep out one that stays, and who comes
//! next does not pay for a scan that hung.
//!
//! Owner:  its ScanQueue.
//! Thread: one at a time (the queue's lock).
class SECURITYTAP_EXPORT ClientLines {
public:
    //! A request's place in its client's line: the least is the best.
    struct Key {
        Clock::time_point order;
        quint64 sequence = 0;
        quint64 id = 0;
        friend auto operator<=>(const Key &, const Key &) = default;
    };

    //! \brief One client. Its place in memory does not change.
    class Line {
    public:
        explicit Line(quint64 client) : m_client(client) { }

        // The queue's figures, for its bounds.
        int waiting = 0; //!< requests without a slice yet
        qint64 bytes = 0; //!< content of all its requests

    private:
        friend class ClientLines;

        Clock::duration used(Clock::time_point now) const;
        Clock::duration expected(Clock::time_point now) const;

        const quint64 m_client;
        int m_requests = 0; // in the queue, ready or not
        int m_running = 0;
        Clock::duration m_used{0}; // less the beginning of each slice under way
        std::set<Key> m_ready;
    };

    //! \p client has one request more; from here to its leave() the line is valid.
    Line &enter(quint64 client);
    //! One request less, which is neither ready nor running.
    void leave(Line &line);
    //! Null for a client without requests.
    const Line *find(quint64 client) const;
    //! Clients that have requests.
    int count() const { return int(m_lines.size()); }

    void add(Line &line, const Key &key);
    void remove(Line &line, const Key &key);
    //! Gives a ready request another place.
    void move(Line &line, const Key &from, const Key &to);
    bool isEmpty() const { return m_ready.empty(); }

    //! Takes the next request out of its line; there must be one. Its slice begins.
    Key take(Clock::time_point now);
    //! A slice of \p line is over.
    void endSlice(Line &line, Clock::time_point now);

private:
    std::unordered_map<quint64, Line> m_lines;
    std::vector<Line *> m_ready; // those that are not empty
    Clock::duration m_level{0}; // what a client that comes now is taken to have used
    Clock::time_point m_levelSince; // when it was last looked at
};

} // namespace Sentinel
