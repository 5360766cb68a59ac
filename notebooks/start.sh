#!/bin/sh
# Sets up everything the notebooks need and serves them, or runs them headless: kernel/start.py says how.
command -v python3 >/dev/null || {
    echo "start.sh: python3 is missing: install Python 3.10 or newer with its module venv (Debian: apt-get install python3 python3-venv)" >&2
    exit 1
}
exec python3 -S "$(dirname "$(readlink -f "$0")")/kernel/start.py" "$@"
