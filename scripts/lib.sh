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

# At a terminal commands stay in its process group, so that Ctrl-C reaches them. Asked here, as they
# may get another stdin.
group=()
[[ ! -t 0 ]] || group=(--foreground)

# limit <seconds> <command ...>: ends a command that takes longer; with all that it has started, where
# it has a process group of its own.
limit() { timeout "${group[@]}" --kill-after=10 "$@"; }

job_count() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN; }

# configure <preset> [cmake options]
configure() {
    say "configuring $1"
    limit 300 cmake --preset "$@"
}

# build <preset> [options of cmake --build]
build() {
    say "building $1 with $(job_count) jobs"
    limit 1800 cmake --build --preset "$1" --parallel "$(job_count)" "${@:2}"
}

# The names of the presets, checked here so that a typing error is told before anything is installed.
check_preset() {
    case $1 in
    dev | release | asan | tsan) ;;
    *) die "there is no preset '$1': choose dev, release, asan or tsan" ;;
    esac
}
