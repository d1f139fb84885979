// SPDX-License-Identifier: MIT
#include "SecurityTap/policy/PolicyClause.h"
#include "Sentinel/Limits.h"
#include "Sentinel/settings/SettingKeys.h"

#include <array>

namespace Sentinel {

namespace {

//! In the order of the enumeration.
constexpr std::array dispositionNames{"release", "block", "quarantine", "warn"};

std::optional<QString> checkMalicious(const SettingValue &value)
{
    if (Disposition(std::get<qint64>(value)) != Disposition::Release)
        return std::nullopt;
    return QStringLiteral("a threat is released only by a clause that names Malicious, or by an "
                          "exception (sentinel allow)");
}

std::optional<QString> checkClauses(const SettingValue &value)
{
    const auto &texts = std::get<QStringList>(value);
    for (qsizetype i = 0; i < texts.size(); ++i) {
        if (const auto clause = PolicyClause::parse(texts[i]); !clause)
            return QStringLiteral("clause %1: %2").arg(i + 1).arg(clause.error());
    }
    return std::nullopt;
}

template <Reason reason>
constexpr SettingKey reasonKey(const char *name, const char *help)
{
    return {.name = name,
        .place = [](ProgramSettings &all) -> Disposition & {
            return all.decisions.forReason(reason);
        },
        .help = help,
        .choices = dispositionNames};
}

constexpr std::array policyKeyTable{
    SettingKey{.name = "policy.malicious",
        .place = [](ProgramSettings &all) -> Disposition & { return all.decisions.malicious; },
        .help = "what is done with a threat; not \"release\"",
        .choices = dispositionNames,
        .check = &checkMalicious},
    SettingKey{.name = "policy.suspicious",
        .place = [](ProgramSettings &all) -> Disposition & { return all.decisions.suspicious; },
        .help = "what is done with what is suspicious",
        .choices = dispositionNames},
    reasonKey<Reason::QueueFull>(
        "policy.on-queue-full", "if too many downloads were waiting to be scanned"),
    reasonKey<Reason::ScannerUnavailable>(
        "policy.on-scanner-unavailable", "if there was nobody to scan it"),
    reasonKey<Reason::TimedOut>("policy.on-timed-out", "if the scan did not end in time"),
    reasonKey<Reason::TooLarge>("policy.on-too-large", "if it is larger than scan.max-size"),
    reasonKey<Reason::LimitHit>("policy.on-limit-hit", "if a limit left part of it unseen"),
    reasonKey<Reason::Encrypted>("policy.on-encrypted", "if part of it is encrypted"),
    reasonKey<Reason::Damaged>("policy.on-damaged", "if part of it is damaged or missing"),
    reasonKey<Reason::EngineError>("policy.on-engine-error", "if the scan engine failed"),
    reasonKey<Reason::EngineCrashed>("policy.on-engine-crashed", "if the scan engine crashed"),
    reasonKey<Reason::PartialContent>(
        "policy.on-partial-content", "if only a part of the file was transferred"),
    SettingKey{.name = "policy.hold",
        .place = [](ProgramSettings &all) -> std::chrono::milliseconds & {
            return all.decisions.hold;
        },
        .help = "how long to wait for a free slot before on-queue-full takes effect",
        .most = std::chrono::milliseconds(Limits::maxHold).count()},
    SettingKey{.name = "policy.clauses",
        .place = [](ProgramSettings &all) -> QStringList & { return all.policyClauses; },
        .help = "what goes before all of these; the first that fits decides",
        .most = Limits::maxPolicyClauses,
        .form = "a list of clauses such as \"warn if type=archive\", up to 256",
        .check = &checkClauses},
};

static_assert(Limits::maxPolicyClauses == 256); // .form says so

} // namespace

std::span<const SettingKey> policyKeys()
{
    return policyKeyTable;
}

} // namespace Sentinel
