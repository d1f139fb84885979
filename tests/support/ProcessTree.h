// SPDX-License-Identifier: MIT
#pragma once

#include <QByteArray>

#include <vector>

#include <sys/types.h>

//! The processes below this one: a sentinel, the parent of its workers, and they.
namespace Sentinel::Test {

//! From now on a process below this one whose parent ends becomes this one's child: nothing can
//! get out of sight. Not to be undone.
void adoptOrphans();

//! Living and dead ones that nobody has waited for.
std::vector<pid_t> childrenOf(pid_t process);
//! The living children of \p parent that were started with \p command: "serve", "worker-parent".
std::vector<pid_t> childrenNamed(pid_t parent, const QByteArray &command);
//! The living, at all depths.
std::vector<pid_t> livingBelow(pid_t process);

//! Waits for the dead children, also for those that somebody else would want to wait for; true if
//! no child is left, living or dead.
bool areAllChildrenGone();

} // namespace Sentinel::Test
