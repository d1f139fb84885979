// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/scan/Mailbox.h"
#include "Sentinel/worker/WorkerEngine.h"
#include "ipc/Messages.h"

#include <QObject>

#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

namespace Sentinel {

//! \brief Makes engines of rules: compiles them in a process of their own, and has them prove
//! themselves (proveRules()) where they take the place of others.
//!
//! Thread: owner; load() works on a thread of its own.
class RuleLoader final : public QObject {
    Q_OBJECT

public:
    struct Settings {
        WorkerFleet::Settings fleet;
    };
    struct Loaded {
        std::shared_ptr<const WorkerEngine> engine; //!< null: the rules are refused
        std::vector<RuleProblem> problems;
        std::optional<bool> findsEicar; //!< known once they were to prove themselves

        //! The first thing that is wrong, for people; empty if there is an engine.
        QString refusal() const;
    };
    //! What rules have to show before they are used.
    enum class Proof : quint8 {
        None, //!< that they compile
        Harmless, //!< and that they find nothing in harmless contents, in time
        Eicar, //!< and that they find EICAR
    };

    explicit RuleLoader(Settings settings) : m_settings(std::move(settings)) { }
    //! Stops what is under way and waits for it.
    ~RuleLoader() override = default;

    //! Blocks for as long as the rules take; to compile them can be stopped.
    static Loaded load(const Settings &settings, Proof proof, const std::stop_token &stop = {});

    //! The same on another thread; loaded() follows. Only while none is under way.
    void start(Proof proof);
    bool isLoading() const { return m_isLoading; }

Q_SIGNALS:
    void loaded(const Sentinel::RuleLoader::Loaded &loaded);

private:
    const Settings m_settings;
    const Mailbox m_mailbox{this};
    bool m_isLoading = false;
    std::jthread m_thread; // last: it uses the others
};

} // namespace Sentinel
