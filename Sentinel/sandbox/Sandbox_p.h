// SPDX-License-Identifier: MIT
#pragma once

#include "Sentinel/sandbox/Sandbox.h"

namespace Sentinel {

// The walls one by one, each added to the report. enterSandbox() puts them up in this order: the
// later ones take away what the earlier ones need.

void renouncePrivileges(SandboxReport &report); //!< Landlock and the filter ask for this first
void limitResources(const SandboxLimits &limits, SandboxReport &report);
void confineByLandlock(int abi, SandboxReport &report);
void filterSystemCalls(SandboxReport &report);

//! The version of the kernel's Landlock, from 1; a negative errno if it has none.
int landlockAbi();

//! \p error: an errno, 0 if the wall stands.
void addFeature(SandboxReport &report, const char *name, int error);
void addFeature(SandboxReport &report, const char *name, const QString &whyNot);

//! True in a build that a sanitizer watches: it reserves terabytes of address space, and makes
//! system calls of its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool isSanitizerBuild = true;
#else
inline constexpr bool isSanitizerBuild = false;
#endif

} // namespace Sentinel
