// SPDX-License-Identifier: MIT
#pragma once

#include "SecurityTap/inspection/SecurityTap.h"

#include <QByteArray>
#include <QCoreApplication>
#include <QEventLoop>

#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace Sentinel::Bench {

using Microseconds = std::chrono::duration<double, std::micro>;

//! \brief The rule set to measure with: the public one that SENTINEL_RULESETS names or that lies
//! beside the repository, else the rules shipped. Compiled once.
std::shared_ptr<const RuleSet> rules();
QString rulesPath();
QString rulesDescription();

//! \brief A tap with those rules, without a verdict cache.
std::unique_ptr<SecurityTap> makeTap(TapSettings settings = {});

//! \brief A tap with those rules in a sentinel of its own, which runs.
std::unique_ptr<SecurityTap> makeSpawnedTap();

//! \brief Bytes without a pattern, after the two that a Windows program begins with: so that no
//! rule of the set is left out.
QByteArray noise(qint64 size, quint32 seed = 1);

//! \brief Runs the event loop until \p condition holds.
template <typename Condition>
void runUntil(Condition condition)
{
    while (!condition())
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
}

//! \brief Streams \p bytes, 100 MB for instance, into \p tap, a MiB at a time with \p pause after
//! each, so that they come a little slower than they are scanned, as from any network. How long it
//! takes from the last byte to the verdict, in ms.
double lastByteToVerdictMs(
    SecurityTap &tap, const QByteArray &bytes, const std::function<void()> &pause);

//! \brief The value below which \p share of \p samples lie.
double percentile(std::vector<double> samples, double share);

//! \brief Median, 99th percentile and greatest of samples in microseconds, as counters.
void report(benchmark::State &state, const std::vector<double> &samples);

} // namespace Sentinel::Bench
