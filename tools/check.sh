#!/usr/bin/env bash
# The developer's quick check: lint, format, types, quick tests, and the release gate of the notebooks that changed since
# the last commit. Called by `make check`; goes on after a failure, so that one run shows all.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()

step() {
    printf '\n== %s\n' "$*"
    "$@" < /dev/null || failed+=("$*")
}

step ruff check .
step ruff format --check .
step mypy
step pytest tests -m "not slow" -n 2 --dist loadfile

# A changed source, variants or claims file or product names its notebook.
changed=$( (git diff --name-only HEAD; git ls-files --others --exclude-standard) 2> /dev/null |
    sed -nE 's#^(solutions|solutions/variants|solutions/claims|notebooks)/([0-9]{2}_[a-z0-9_]+)\.(py|ipynb)$#\2#p' | sort -u)
if [ -n "$changed" ]; then
    # shellcheck disable=SC2086  # one argument for each name
    step course build --check $changed
else
    printf '\n== no notebook changed since the last commit\n'
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nFailed:\n' >&2
    printf '  %s\n' "${failed[@]}" >&2
    exit 1
fi
