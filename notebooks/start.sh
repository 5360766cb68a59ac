#!/usr/bin/env bash
# Sets up everything the notebooks need and serves them, or runs them headless. See `usage`.
set -euo pipefail

NOTEBOOKS=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(dirname "$NOTEBOOKS")
USER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/fmnist-lib
CACHE=${FMNIST_CACHE_DIR:-$USER_CACHE} # what set-up makes: venv/, bin/, kernel/template/

say() { echo "start.sh: $*" >&2; }
die() { say "$@" && exit 1; }

. "$NOTEBOOKS/kernel/setup.sh"
. "$NOTEBOOKS/kernel/live.sh"

usage() {
    cat <<'TEXT'
notebooks/start.sh [--port PORT] [JUPYTER OPTION...]
    Set up what is missing, then serve JupyterLab at http://localhost:8888.
notebooks/start.sh run [--quick] [--inplace | --output-dir DIR] NOTEBOOK...
    Set up what is missing, then run notebooks headless; fail where a cell fails.
notebooks/start.sh setup
    Only set up what is missing.
notebooks/start.sh data
    Install Debian's package of Fashion-MNIST, where it is missing and that needs no password.
notebooks/start.sh python ARGUMENT...
    The Python that serves the notebooks; installed where it is missing.
notebooks/start.sh kernel CONNECTION_FILE
    What Jupyter runs to start a kernel: relay.py, and evcxr behind it.

JUPYTER OPTION: all that `jupyter lab` knows. What is set so, in Jupyter's environment variables or in its
configuration files wins over what is set here.

Environment: FMNIST_PORT (8888), FMNIST_ADDRESS (127.0.0.1), FMNIST_CACHE_DIR (~/.cache/fmnist-lib),
FMNIST_WORK_DIR (the notebooks that are served; this folder), JUPYTER_TOKEN (none; at an address that other
machines reach, a random one), FMNIST_OPEN=1 (no token there either).
TEXT
}

serve() {
    if [[ ! -f $TEMPLATE/stamp ]]; then
        need_tools
        setup_python
        # What is wrong with the port or a folder shows before the long part of the set-up.
        "$VENV/bin/python" "$NOTEBOOKS/kernel/serve.py" --check "$@"
    fi
    setup
    export FMNIST_POOL FMNIST_LIVE=1 # `fit` then shows how it goes while it runs
    FMNIST_POOL=$(live_folder)/pool-$$.sock
    exec "$VENV/bin/python" "$NOTEBOOKS/kernel/serve.py" "$@"
}

python() {
    setup_python
    exec "$VENV/bin/python" "$@"
}

run() {
    [[ $# -gt 0 ]] || { usage >&2 && exit 2; }
    setup
    unset FMNIST_POOL FMNIST_LIVE
    export PYTHONDONTWRITEBYTECODE=1
    exec "$VENV/bin/python" "$NOTEBOOKS/kernel/run.py" "$@"
}

main() {
    case ${1:-} in
    setup) setup ;;
    data) [[ -d $DATASET ]] || apt_install dataset-fashion-mnist ||
        die "this user cannot install packages: sudo apt-get install dataset-fashion-mnist" ;;
    python) shift && python "$@" ;;
    run) shift && run "$@" ;;
    kernel) shift && exec "$VENV/bin/python" "$NOTEBOOKS/kernel/relay.py" "$@" ;;
    evcxr) shift && evcxr "$@" ;;
    help | --help | -h) usage ;;
    "" | -*) serve "$@" ;;
    *) say "unknown command \"$1\"" && usage >&2 && exit 2 ;;
    esac
}

# On one line, so that bash has read all it will run: a kernel outlives edits of this file.
main "$@"; exit
