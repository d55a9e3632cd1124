#!/usr/bin/env bash
# Everything that must hold before a release. Called by `make test`; goes on after a failure, so that one run shows all.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

step() {
    printf '\n== %s\n' "$*"
    local begin=$SECONDS
    "$@" < /dev/null || failed+=("$*")
    printf '   (%d s)\n' $((SECONDS - begin))
}

step course build --check
step course variants
step course mutate
# One file at a time in each of two processes: tests of one file share what they built.
step pytest tests -n 2 --dist loadfile --no-loadscope-reorder

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nFailed:\n' >&2
    printf '  %s\n' "${failed[@]}" >&2
    exit 1
fi
