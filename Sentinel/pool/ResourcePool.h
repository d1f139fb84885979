// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/pool/ResourcePool_p.h"

#include <expected>
#include <utility>

namespace Sentinel {

//! \brief Why there is no resource to be had.
struct PoolError {
    enum class Code : quint8 {
        Timeout, //!< all are in use, and none came back by the deadline
        Closed, //!< the pool is closed
        Failed, //!< a new one could not be made
    };
    Code code = Code::Failed;
    QString message; //!< Failed: what the factory said
};

//! \brief Keeps what is dear to make (processes, connections), and lends it to one user at a time.
//!
//! Resources are made when they are needed, never more than PoolSettings::maxSize at a time, those
//! that are just being made or destroyed included. Whoever waits longest is served first. The one
//! used last is lent first, so that the others get old and go. A resource is made, looked at and
//! destroyed outside of any lock, by the thread that acquires or returns it.
//!
//! Owner:  whoever makes it; leases may outlive it, and their resources then die with them.
//! Thread: any (locked); nobody may be inside at destruction. The factory, the health check and T's
//!         destructor are called by any thread, several at a time for different resources.
template <typename T>
class ResourcePool {
public:
    //! Makes a resource, by the deadline of who wants it; else says why not.
    using Factory = typename PoolCore<T>::Factory;
    //! True if the resource still works. Asked of one that was idle for long, before it is lent.
    using HealthCheck = typename PoolCore<T>::HealthCheck;

    //! \brief A resource on loan: its holder's alone until the lease ends.
    //!
    //! Thread: one at a time; may move to another.
    class Lease {
    public:
        Lease(Lease &&other) noexcept = default;
        Lease &operator=(Lease &&other) noexcept
        {
            Lease old(std::move(*this));
            m_core = std::move(other.m_core);
            m_item = std::move(other.m_item);
            m_isWorking = other.m_isWorking;
            return *this;
        }
        ~Lease() { giveBack(); }
        Q_DISABLE_COPY(Lease)

        //! False once it was moved from, given back or discarded.
        bool isValid() const { return m_item != nullptr; }
        T &operator*() const { return *m_item->resource; }
        T *operator->() const { return m_item->resource.get(); }

        //! Ends the lease; the next one may have the resource. As the destructor does.
        void giveBack()
        {
            if (const auto core = std::exchange(m_core, nullptr))
                core->giveBack(std::move(m_item), m_isWorking);
        }
        //! Ends the lease and destroys the resource, which is broken.
        void discard()
        {
            m_isWorking = false;
            giveBack();
        }

    private:
        friend class ResourcePool;
        explicit Lease(std::shared_ptr<PoolCore<T>> core) : m_core(std::move(core)) { }

        std::shared_ptr<PoolCore<T>> m_core; // null: over; else it has one of the core's places
        std::unique_ptr<PooledItem<T>> m_item; // null while one is still looked for
        bool m_isWorking = false;
    };

    explicit ResourcePool(Factory make, PoolSettings settings = {}, HealthCheck check = {})
        : m_core(
            std::make_shared<PoolCore<T>>(std::move(make), std::move(settings), std::move(check)))
    {
    }
    //! Closes, and waits for nobody.
    ~ResourcePool() { close(Clock::now()); }
    Q_DISABLE_COPY_MOVE(ResourcePool)

    //! A resource of its own for the caller, idle or new. Waits until \p deadline for one to come
    //! back; with a deadline that has passed it takes what is there at once.
    [[nodiscard]] std::expected<Lease, PoolError> acquire(Deadline deadline)
    {
        using Code = PoolError::Code;
        if (const auto refusal = m_core->takePlace(deadline))
            return std::unexpected(PoolError{
                *refusal == FairSlots::Refusal::Closed ? Code::Closed : Code::Timeout, {}});

        Lease lease(m_core); // gives the place back, whatever happens from here on
        while ((lease.m_item = m_core->takeIdle())) {
            if (m_core->isUsable(*lease.m_item, deadline))
                break;
            m_core->destroy(std::move(lease.m_item));
        }
        if (!lease.m_item) {
            auto made = m_core->make(deadline);
            if (!made)
                return std::unexpected(PoolError{Code::Failed, std::move(made).error()});
            lease.m_item = std::move(*made);
        }
        lease.m_isWorking = m_core->lend(*lease.m_item);
        if (!lease.m_isWorking) // closed meanwhile
            return std::unexpected(PoolError{Code::Closed, {}});
        return lease;
    }

    //! Destroys what has been idle, or alive, for too long. To be called now and then by a timer of
    //! the owner's: a pool that nobody uses does nothing by itself.
    void prune() { m_core->prune(); }
    //! Gives up all resources of today: idle ones now, those on loan when they come back. Whoever
    //! acquires from now on gets one that was made from now on.
    void drain() { m_core->drain(); }
    //! Refuses who acquires or waits, destroys idle resources, and waits for those on loan. False
    //! if \p deadline comes first: what is still out is destroyed when it comes back.
    bool close(Deadline deadline) { return m_core->close(deadline); }

    PoolCounts counts() const { return m_core->readCounts(); }

private:
    const std::shared_ptr<PoolCore<T>> m_core; // shared with the leases
};

} // namespace Sentinel
