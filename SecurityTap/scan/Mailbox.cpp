// SPDX-License-Identifier: MIT
#include "SecurityTap/scan/Mailbox.h"

#include "SecurityTap/Logging.h"
#include "SecurityTap/scan/QtHandover_p.h"

#include <deque>
#include <exception>
#include <mutex>

namespace Sentinel {

struct Mailbox::Core : std::enable_shared_from_this<Core> {
    std::mutex mutex;
    QObject *target = nullptr; // dead or alive is decided under the mutex
    std::deque<std::function<void()>> letters;
    bool isWakePending = false;
    bool isForsaken = false; // nobody can post any more; what was posted is still delivered

    void close();
    void forsake();
};

//! Looks for the target's death, as long as somebody can post.
struct Mailbox::Watch {
    Watch(std::shared_ptr<Core> owner, QMetaObject::Connection onDestroyed)
        : core(std::move(owner)), connection(std::move(onDestroyed))
    {
    }
    ~Watch()
    {
        core->forsake();
        QObject::disconnect(connection);
    }
    Q_DISABLE_COPY_MOVE(Watch)

    const std::shared_ptr<Core> core;
    const QMetaObject::Connection connection;
};

// Letters are destroyed outside of the lock: what they have captured may post again.
void Mailbox::Core::close()
{
    std::deque<std::function<void()>> dropped;
    const std::lock_guard lock(mutex);
    if (isForsaken)
        return;
    target = nullptr;
    dropped.swap(letters);
}

// From here on only deliver() looks at the target, called by its event loop, which Qt does no more
// once the target is dying.
void Mailbox::Core::forsake()
{
    const std::lock_guard lock(mutex);
    isForsaken = true;
}

Mailbox::Mailbox(QObject *target) : m_core(std::make_shared<Core>())
{
    if (!target)
        return;
    m_core->target = target;

    // Closes the box when the target dies, and also when somebody cuts all of the target's
    // connections: then nobody would tell us of its death any more.
    struct Closer {
        std::shared_ptr<Core> core;
        ~Closer() { core->close(); }
    };
    m_watch = std::make_shared<const Watch>(m_core,
        QObject::connect(target, &QObject::destroyed,
            [closer = std::make_shared<Closer>(m_core)] { closer->core->close(); }));
}

bool Mailbox::post(std::function<void()> letter) const
{
    const std::lock_guard lock(m_core->mutex);
    if (!m_core->target)
        return false;
    m_core->letters.push_back(std::move(letter));
    if (!m_core->isWakePending)
        wake(m_core);
    return true;
}

// Called with the lock held, so that the target is alive: its death waits for the lock.
void Mailbox::wake(const std::shared_ptr<Core> &core)
{
    core->isWakePending = QMetaObject::invokeMethod(
        core->target, QtHandover::Call([core] { deliver(*core); }), Qt::QueuedConnection);
}

// One letter for each turn of the event loop, so that the order holds and nothing waits also when a
// letter runs an event loop of its own, and so that no letter runs after one that destroys the
// target.
void Mailbox::deliver(Core &core)
{
    std::function<void()> letter;
    {
        const std::lock_guard lock(core.mutex);
        core.isWakePending = false;
        if (core.letters.empty())
            return;
        letter = std::move(core.letters.front());
        core.letters.pop_front();
        if (!core.letters.empty())
            wake(core.shared_from_this());
    }
    // An exception would end the process in the event loop, far from the letter.
    try {
        letter();
    } catch (const std::exception &exception) {
        qCCritical(logScan, "A posted function threw: %s", exception.what());
    } catch (...) {
        qCCritical(logScan, "A posted function threw");
    }
}

} // namespace Sentinel
