#!/usr/bin/env bash
# Make .venv and install the course into it: tools/install.sh [test|bench]
# With "test" the tools of `make test` and `make check` come too, with "bench" the programs that `make bench` measures
# ours against. Called by the Makefile; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
log=$venv/install.log
torch=$(grep '^torch==' constraints.txt)
cpu_index=https://download.pytorch.org/whl/cpu

stop() { # what is wrong, what to do about it
    printf '%s\n%s\n' "$1" "$2" >&2
    exit 1
}

# Runs apt-get when that needs no password. Returns 1 when it may not, or when it fails.
apt_install() {
    command -v apt-get > /dev/null || return 1
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2> /dev/null || return 1
        as_root=(sudo -n)
    fi
    echo "Installing $* with apt-get."
    "${as_root[@]}" apt-get -qq update > /dev/null 2>&1 < /dev/null || true # old package lists may still do
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$@" > /dev/null 2>&1 < /dev/null
}

# Prints the first Python on PATH that is new enough and can make environments.
find_python() {
    local name candidate
    for name in python3 python3.13 python3.12 python3.11; do
        for candidate in $(type -aP "$name"); do
            if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
                echo "$candidate"
                return 0
            fi
        done
    done
    return 1
}

new_enough() { # is there a Python that lacks only the venv module?
    command -v python3 > /dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'
}

pip_install() { # a line for the reader, then pip's arguments
    echo "$1"
    shift
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install "$@" >> "$log" 2>&1
}

if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
    python=$(find_python) || { new_enough && apt_install python3-venv && python=$(find_python); } || {
        if new_enough; then
            stop "This Python has no venv module, so no environment can be made." \
                "Run: sudo apt-get install python3-venv, then make again."
        fi
        stop "Next Word needs Python 3.11 or newer; found: $(python3 --version 2> /dev/null || echo none)." \
            "Install one (Debian 12, Ubuntu 24.04: sudo apt-get install python3 python3-venv), then make again."
    }
    echo "Making $venv with $("$python" --version)."
    "$python" -m venv --clear "$venv" || stop "$python could not make $venv." "Look at the lines above; is the disk full?"
fi
: > "$log"

# torch comes first and alone. On Linux the plain package brings gigabytes of CUDA libraries that grading never uses, so
# ask for the CPU build: from the package index that pip is set up with if that has one, else from PyTorch's own; take
# the large one only where neither can be had.
# Want the GPU here? Afterwards run: .venv/bin/pip install --force-reinstall "torch==2.13.0" -c constraints.txt
if ! "$venv/bin/python" -c 'import torch' 2> /dev/null; then
    others=$venv/constraints-without-torch.txt # to pip, torch==2.13.0 and torch==2.13.0+cpu contradict each other
    grep -v '^torch==' constraints.txt > "$others"
    if [ "$(uname -s)" = Linux ] && {
        pip_install "Installing PyTorch, CPU build (200 MB)." "$torch+cpu" -c "$others" ||
            pip_install "Asking PyTorch's own package index for it." "$torch+cpu" -c "$others" \
                --extra-index-url "$cpu_index" --retries 1
    }; then
        :
    else
        pip_install "Installing PyTorch as your package index has it (on Linux with CUDA libraries, 3 GB)." "$torch" -c "$others" ||
            stop "PyTorch could not be installed; pip's last lines: $(tail -n 3 "$log")" \
                "Check the connection and the free disk space, then make again (all of pip's output: $log)."
    fi
fi
case "${1:-}" in
    test) extras="[test,browser,site]" with=", the test tools" ;;
    bench) extras="[bench]" with=", the programs to compare with" ;;
    *) extras="" with="" ;;
esac
pip_install "Installing nextword, autograder$with and what they need." \
    -c constraints.txt -e "helpers[hub,widgets]" -e "autograder$extras" ||
    stop "The packages could not be installed; pip's last lines: $(tail -n 3 "$log")" "All of pip's output: $log."

# Student code runs in a sandbox made by bubblewrap. Without it the course builds, but grading refuses to start.
if ! command -v bwrap > /dev/null && ! apt_install bubblewrap; then
    if [ "$(uname -s)" = Linux ]; then
        echo "Grading needs bubblewrap, which could not be installed from here. Run: sudo apt-get install bubblewrap"
    else
        echo "Grading needs bubblewrap, which exists for Linux only. Building, testing by hand and the notebooks work here."
    fi
fi

# The tests of pages look at them in a real browser; without one they say so and are skipped.
if [ "${1:-}" = test ] && [ "$(uname -s)" = Linux ] && ! command -v chromium > /dev/null && ! apt_install chromium; then
    echo "Browser tests need Chromium, which could not be installed from here. Run: sudo apt-get install chromium"
fi
