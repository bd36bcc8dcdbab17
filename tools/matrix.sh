#!/usr/bin/env bash
# Tries the wheel on every Python from 3.11 to 3.13 that is here: a new environment, the wheel with an exported detector's
# libraries, the command line, and the quick tests that need no torch. A Python that is absent is named and skipped.
#
#   tools/matrix.sh [FOLDER]     environments and the wheel go to FOLDER (build/matrix)
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mkdir -p "${1:-build/matrix}" && cd "${1:-build/matrix}" && pwd)
tried=0

for version in 3.11 3.12 3.13; do
    python=$(command -v "python$version" || true)
    if [[ -z $python ]]; then
        echo "Python $version: not found, skipped"
        continue
    fi
    venv=$folder/venv-$version
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" .
    wheel=$(ls -t "$folder"/oddframe-*.whl | head -1)
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[runtime]" pytest
    (
        cd "$folder"
        "$venv/bin/oddframe" --version
        "$venv/bin/oddframe" models >/dev/null
        "$venv/bin/python" -m oddframe recipes >/dev/null
    )
    # The tests see the installed package, not the sources.
    "$venv/bin/python" -m pytest -q -p no:cacheprovider --override-ini pythonpath= \
        --override-ini "addopts=--import-mode=importlib" --noconftest tests/test_suggest.py tests/cli/test_layout.py
    tried=$((tried + 1))
    echo "Python $version: passed"
done
((tried)) || { echo "no Python from 3.11 to 3.13 was found" >&2; exit 1; }
