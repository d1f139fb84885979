// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/ClientLines.h"

#include <algorithm>

namespace Sentinel {

namespace {

void addTo(ClientLines::Figures &figures, const ClientLines::Figures &change)
{
    figures.waiting += change.waiting;
    figures.bytes += change.bytes;
}

template <typename Map>
ClientLines::Figures figuresOf(const Map &shares, quint64 key)
{
    const auto at = shares.find(key);
    return at == shares.end() ? ClientLines::Figures() : at->second.figures;
}

} // namespace

struct ClientLines::Client {
    //! Of all its ready requests.
    const Key &bestKey() const
    {
        const auto best = [](const Line *line) -> const Key & { return *line->m_ready.begin(); };
        return best(*std::ranges::min_element(ready, {}, best));
    }

    Share all;
    Shares origins; // what has none is one of them
    Shares connections;
    std::map<std::pair<quint64, quint64>, Line> lines; // by origin and connection
    std::vector<Line *> ready; // those that are not empty
    TimeLevel level; // among its origins, and among its connections
};

ClientLines::ClientLines() = default;
ClientLines::~ClientLines() = default;

Clock::duration ClientLines::Line::used(Clock::time_point now) const
{
    const Clock::duration ofOrigin = m_origin->time.used(now);
    return m_connection ? std::max(ofOrigin, m_connection->time.used(now)) : ofOrigin;
}

Clock::duration ClientLines::Line::expected(Clock::time_point now) const
{
    const Clock::duration ofOrigin = m_origin->time.expected(now);
    return m_connection ? std::max(ofOrigin, m_connection->time.expected(now)) : ofOrigin;
}

ClientLines::Line &ClientLines::enter(const Party &party)
{
    Client &client = m_clients[party.client];
    const auto [at, isNew] = client.lines.try_emplace({party.origin, party.connection});
    Line &line = at->second;
    if (isNew) {
        line.m_party = party;
        line.m_client = &client;
        line.m_origin = &client.origins[party.origin];
        ++line.m_origin->lines;
        if (party.connection) {
            line.m_connection = &client.connections[party.connection];
            ++line.m_connection->lines;
        }
    }
    ++line.m_requests;
    return line;
}

void ClientLines::leave(Line &line)
{
    if (--line.m_requests > 0)
        return;
    Q_ASSERT(line.m_ready.empty());
    Client &client = *line.m_client;
    const Party party = line.m_party;
    drop(client, client.origins, party.origin);
    if (party.connection)
        drop(client, client.connections, party.connection);
    client.lines.erase({party.origin, party.connection});
    if (!client.lines.empty())
        return;
    m_level.forget(client.all.time);
    m_clients.erase(party.client);
}

void ClientLines::drop(Client &client, Shares &shares, quint64 key)
{
    const auto at = shares.find(key);
    if (--at->second.lines > 0)
        return;
    client.level.forget(at->second.time);
    shares.erase(at);
}

void ClientLines::count(Line &line, const Figures &change)
{
    addTo(line.m_client->all.figures, change);
    addTo(line.m_origin->figures, change);
    if (line.m_connection)
        addTo(line.m_connection->figures, change);
}

ClientLines::PartyFigures ClientLines::figures(const Party &party) const
{
    const auto at = m_clients.find(party.client);
    if (at == m_clients.end())
        return {};
    const Client &client = at->second;
    return {client.all.figures, figuresOf(client.origins, party.origin),
        figuresOf(client.connections, party.connection)};
}

void ClientLines::add(Line &line, const Key &key)
{
    if (line.m_ready.empty()) {
        Client &client = *line.m_client;
        if (client.ready.empty()) {
            m_level.lift(client.all.time);
            m_ready.push_back(&client);
        }
        for (Share *share : {line.m_origin, line.m_connection}) {
            if (share && share->readyLines++ == 0)
                client.level.lift(share->time);
        }
        client.ready.push_back(&line);
    }
    line.m_ready.insert(key);
}

void ClientLines::remove(Line &line, const Key &key)
{
    line.m_ready.erase(key);
    if (!line.m_ready.empty())
        return;
    Client &client = *line.m_client;
    std::erase(client.ready, &line);
    for (Share *share : {line.m_origin, line.m_connection}) {
        if (share)
            --share->readyLines;
    }
    if (client.ready.empty())
        std::erase(m_ready, &client);
}

void ClientLines::move(Line &line, const Key &from, const Key &to)
{
    line.m_ready.erase(from);
    line.m_ready.insert(to);
}

//! Looks at every client, and at every line of one: slices under way change their order all the
//! time. There are no more than connections and requests, and mostly few.
ClientLines::Key ClientLines::take(Clock::time_point now)
{
    Q_ASSERT(!isEmpty());
    const auto isClientBefore = [now](const Client *one, const Client *other) {
        const auto order = one->all.time.expected(now) <=> other->all.time.expected(now);
        return order == 0 ? one->bestKey() < other->bestKey() : order < 0;
    };
    Client &client = **std::ranges::min_element(m_ready, isClientBefore);
    const auto rank = [now](const Line *line) {
        return std::pair(line->expected(now), *line->m_ready.begin());
    };
    Line &line = **std::ranges::min_element(client.ready, {}, rank);
    const Key key = *line.m_ready.begin();
    remove(line, key);

    m_level.serve(client.all.time.used(now), now);
    client.all.time.beginSlice(now);
    const Clock::duration used = line.used(now);
    client.level.serve(used, now);
    for (Share *share : {line.m_origin, line.m_connection}) {
        if (!share)
            continue;
        share->time.raise(used, now); // the time that the other one held it up is not saved up
        share->time.beginSlice(now);
    }
    return key;
}

void ClientLines::endSlice(Line &line, Clock::time_point now)
{
    line.m_client->all.time.endSlice(now);
    for (Share *share : {line.m_origin, line.m_connection}) {
        if (share)
            share->time.endSlice(now);
    }
}

} // namespace Sentinel
