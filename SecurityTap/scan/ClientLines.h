// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/WorkerTime.h"

#include <QtCore/qglobal.h>

#include <compare>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace Sentinel {

//! \brief The requests of a queue that are ready, in lines by whose they are, and whose turn it is.
//!
//! Start-time fair queueing over worker time, on two levels. The client that has used least goes
//! first, among equals the one with the best request. Among the lines of one client, what counts is
//! the more of what the line's origin and its connection have used: neither many origins behind one
//! connection nor many connections to one origin are more than one. A slice under way counts by
//! what it has taken so far and one usual slice more, so that many workers who come at once do not
//! all go to one.
//!
//! Who had nothing to run begins again at the level of those who had, and cannot save up. Who has
//! no requests is forgotten. What was used beyond the level raises the level, by one usual slice at
//! most: so those who come and go do not keep out one that stays, and who comes next does not pay
//! for a scan that hung.
//!
//! Owner:  its ScanQueue.
//! Thread: one at a time (the queue's lock).
class SECURITYTAP_EXPORT ClientLines {
public:
    //! A request's place in its line: the least is the best.
    struct Key {
        Clock::time_point order;
        quint64 sequence = 0;
        quint64 id = 0;
        friend auto operator<=>(const Key &, const Key &) = default;
    };
    //! Whose a request is; as in ScanSubject.
    struct Party {
        quint64 client = 0;
        quint64 origin = 0;
        quint64 connection = 0;
    };
    //! What somebody has in the queue.
    struct Figures {
        int waiting = 0; //!< requests without a slice yet
        qint64 bytes = 0; //!< content of all requests
    };
    struct PartyFigures {
        Figures client;
        Figures origin;
        Figures connection;
    };

private:
    struct Share {
        Figures figures;
        WorkerTime time;
        int lines = 0;
        int readyLines = 0;
    };
    struct Client;

public:
    //! \brief The requests of one party. Its place in memory does not change.
    class Line {
    private:
        friend class ClientLines;

        Clock::duration used(Clock::time_point now) const;
        Clock::duration expected(Clock::time_point now) const;

        Party m_party;
        Client *m_client = nullptr;
        Share *m_origin = nullptr;
        Share *m_connection = nullptr; // null without one
        int m_requests = 0; // in the queue, ready or not
        std::set<Key> m_ready;
    };

    ClientLines();
    ~ClientLines();
    Q_DISABLE_COPY_MOVE(ClientLines)

    //! \p party has one request more; from here to its leave() the line is valid.
    Line &enter(const Party &party);
    //! One request less, which is neither ready nor running.
    void leave(Line &line);
    //! The request of \p line counts so much more.
    static void count(Line &line, const Figures &change);
    //! Zeroes for who has no requests.
    PartyFigures figures(const Party &party) const;
    //! Clients that have requests.
    int count() const { return int(m_clients.size()); }

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
    using Shares = std::unordered_map<quint64, Share>;

    static void drop(Client &client, Shares &shares, quint64 key);

    std::unordered_map<quint64, Client> m_clients;
    std::vector<Client *> m_ready; // those that have ready lines
    TimeLevel m_level; // among clients
};

} // namespace Sentinel
