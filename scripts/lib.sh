# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scripts of this folder share. Sourced by bash, from anywhere; goes to the repository's root.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '== %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

job_count() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN; }

# configure_and_build <preset> [cmake options]
configure_and_build() {
    local preset=$1
    shift
    say "configuring $preset"
    timeout --kill-after=10 300 cmake --preset "$preset" "$@"
    say "building $preset with $(job_count) jobs"
    timeout --kill-after=10 1800 cmake --build --preset "$preset" --parallel "$(job_count)"
}

# The names of the presets, checked here so that a typing error is told before anything is installed.
check_preset() {
    case $1 in
    dev | release | asan | tsan) ;;
    *) die "there is no preset '$1': choose dev, release, asan or tsan" ;;
    esac
}
