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
notebooks/start.sh kernel CONNECTION_FILE
    What Jupyter runs to start a kernel: relay.py, and evcxr behind it.

Environment: FMNIST_PORT (8888), JUPYTER_TOKEN (none), FMNIST_CACHE_DIR (~/.cache/fmnist-lib),
FMNIST_WORK_DIR (the notebooks that are served; this folder).
TEXT
}

serve() {
    local port=${FMNIST_PORT:-8888} work=${FMNIST_WORK_DIR:-$NOTEBOOKS} options=()
    while [[ $# -gt 0 ]]; do
        case $1 in
        --port) port=${2:?--port needs a number} && shift ;;
        --port=*) port=${1#*=} ;;
        *) options+=("$1") ;;
        esac
        shift
    done
    [[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] || die "\"$port\" is not a port: give 1 to 65535"
    ! port_in_use "$port" ||
        die "port $port is in use: stop what listens there, or choose another with --port or FMNIST_PORT"
    check_work "$work"
    setup
    [[ $EUID -ne 0 ]] || options+=(--allow-root)
    # Without a token only this machine is served: Jupyter's Host check stays on, whatever the address.
    [[ -n ${JUPYTER_TOKEN:-} ]] || options+=("--IdentityProvider.token=")
    export FMNIST_POOL FMNIST_LIVE=1 # `fit` then shows how it goes while it runs
    FMNIST_POOL=$(live_folder)/pool-$$.sock
    mkdir -p "$(dirname "$FMNIST_POOL")"
    (cd "$work" && exec "$VENV/bin/python" "$NOTEBOOKS/kernel/pool.py") &
    say "JupyterLab at http://localhost:$port (Ctrl-C stops it)"
    exec "$VENV/bin/jupyter" lab --no-browser --ServerApp.ip="${FMNIST_ADDRESS:-127.0.0.1}" \
        --ServerApp.port="$port" --ServerApp.port_retries=0 --ServerApp.allow_remote_access=False \
        --ServerApp.root_dir="$work" --KernelSpecManager.ensure_native_kernel=False \
        --MultiKernelManager.default_kernel_name=rust "${options[@]}"
}

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# An hour's work that cannot be saved is lost: better not to begin it.
check_work() {
    local probe
    probe=$(mktemp "$1/.start-XXXXXX" 2>&1) && rm "$probe" && return
    say "nothing can be saved in $1: ${probe##*: }"
    if [[ $probe == *Read-only* ]]; then
        say "mount it without :ro"
    else
        say "it belongs to user $(stat -c %u:%g "$1"), and this is user $(id -u):$(id -g): give it to this user with chown or,"
        say "in Docker, start as its owner: NB_UID=$(stat -c %u "$1") NB_GID=$(stat -c %g "$1") docker compose up"
    fi
    exit 1
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
