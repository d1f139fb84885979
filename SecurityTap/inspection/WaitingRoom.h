// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/SecurityTapExport.h"
#include "SecurityTap/scan/Deadline.h"
#include "SecurityTap/scan/SharedRoom.h"

#include <QTimer>

#include <list>
#include <map>
#include <set>
#include <unordered_map>

namespace Sentinel {

//! \brief The inspections that the queue had no room for, until it has, or their time is over.
//!
//! Those of one origin are tried again in their order of arrival, the origins in turn; when one of
//! the tap's scans has ended (tryNext()), or another of the same origin comes. Nothing is polled.
//!
//! Owner:  a SecurityTap.
//! Thread: owner, with an event loop.
//! Limits: so many guests, of one origin at most half of what the others leave (SharedRoom).
class SECURITYTAP_EXPORT WaitingRoom {
public:
    //! \brief Who waits. Leaves before it ends.
    class Guest {
    public:
        //! Asks for its scan again. True if it need not wait any more; it has left then, or will
        //! not be asked again. Must not end anybody.
        virtual bool tryAgain() = 0;
        //! Its time is over; it has left.
        virtual void turnAway() = 0;

    protected:
        ~Guest() = default;
    };
    //! Where a guest waits, and until when.
    struct Place {
        quint64 origin = 0; //!< shareKeyOf() its address
        Clock::time_point arrivedAt;
        quint64 number = 0; //!< among those that arrived at the same time; one guest's own
        Deadline until = noDeadline;
    };

    explicit WaitingRoom(int maxGuests);
    Q_DISABLE_COPY_MOVE(WaitingRoom)

    //! False if it is full, or full of the guest's origin.
    [[nodiscard]] bool enter(Guest &guest, const Place &place);
    //! Does nothing for who does not wait.
    void leave(Guest &guest);
    //! A scan has ended: tries so many guests, each the first of the next origin.
    void tryNext(int guests);
    //! Tries the first of \p origin.
    void tryFirst(quint64 origin);

    bool isWaitedFor(quint64 origin) const { return m_lines.contains(origin); }
    int size() const { return int(m_places.size()); }

private:
    struct Line {
        quint64 origin = 0;
        std::map<std::pair<Clock::time_point, quint64>, Guest *> guests;
    };
    using Lines = std::list<Line>;

    void tryFirst(Lines::iterator line);
    void sleep();
    void turnAwayOverdue();

    SharedRoom m_room;
    Lines m_turns; // the next origin first
    std::unordered_map<quint64, Lines::iterator> m_lines; // by origin
    std::unordered_map<Guest *, Place> m_places;
    std::set<std::pair<Deadline, Guest *>> m_ends;
    QTimer m_timer;
};

} // namespace Sentinel
