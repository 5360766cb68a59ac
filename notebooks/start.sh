#!/usr/bin/env bash
# Sets up everything the notebooks need and serves them, or runs them headless. See `usage`.
set -euo pipefail

EVCXR_VERSION=0.22.0
NOTEBOOKS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
ROOT=$(dirname "$NOTEBOOKS")
CACHE=${FMNIST_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/fmnist-lib}
VENV=$CACHE/venv
KERNELS=$CACHE/kernel # template/, and a copy of it for each live kernel
DATASET=/usr/share/datasets/fashion-mnist

usage() {
    cat <<'TEXT'
notebooks/start.sh [--port PORT] [JUPYTER OPTION...]
    Set up what is missing, then serve JupyterLab at http://localhost:8888.
notebooks/start.sh run [--quick] [--inplace | --output-dir DIR] NOTEBOOK...
    Set up what is missing, then run notebooks headless; fail where a cell fails.
notebooks/start.sh setup
    Only set up what is missing.
notebooks/start.sh kernel CONNECTION_FILE
    What Jupyter runs to start a kernel.

Environment: FMNIST_PORT (8888), JUPYTER_TOKEN (none), FMNIST_CACHE_DIR (~/.cache/fmnist-lib).
TEXT
}

say() { echo "start.sh: $*" >&2; }
die() { say "$@" && exit 1; }

# --- Set-up ---------------------------------------------------------------------------------------

setup() {
    need cargo "install Rust from https://rustup.rs"
    need rustc "install Rust from https://rustup.rs"
    need python3 "apt-get install python3 python3-venv"
    need cc "apt-get install build-essential"
    mkdir -p "$KERNELS"
    exec 7>"$CACHE/setup.lock"
    flock --nonblock 7 || { say "waiting for another set-up to finish" && flock 7; }
    setup_venv
    setup_evcxr
    setup_rust_sources
    setup_dataset
    setup_kernelspec
    setup_template
    exec 7>&-
}

need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# Installs Debian packages where that needs no password; returns false where it cannot.
apt_install() {
    local sudo=()
    command -v apt-get >/dev/null || return 1
    [[ $EUID -eq 0 ]] || { sudo=(sudo -n) && sudo -n true 2>/dev/null; } || return 1
    say "installing $* with apt-get"
    { "${sudo[@]}" apt-get update -q && "${sudo[@]}" apt-get install -qy "$@"; } >&2
}

setup_venv() {
    cmp -s "$NOTEBOOKS/kernel/requirements.txt" "$VENV/requirements.txt" && return
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "JupyterLab needs Python 3.10 or newer; this is $(python3 --version)"
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv ||
        die "Python's venv module is missing: apt-get install python3-venv"
    say "installing JupyterLab into $VENV, about 1 minute, once"
    python3 -m venv --clear "$VENV"
    "$VENV/bin/pip" install --quiet --requirement "$NOTEBOOKS/kernel/requirements.txt" >&2 ||
        die "pip could not install JupyterLab; check the network and run this again"
    rm -rf "$VENV/share/jupyter/kernels/python3" # these notebooks are Rust
    cp "$NOTEBOOKS/kernel/requirements.txt" "$VENV/"
}

# Prints the path of a kernel of the right version.
find_evcxr() {
    local binary
    for binary in "$CACHE/bin/evcxr_jupyter" "$(command -v evcxr_jupyter)"; do
        [[ -x $binary ]] || continue
        grep -qs "\"evcxr_jupyter $EVCXR_VERSION " "$(dirname "$binary")/../.crates.toml" || continue
        echo "$binary" && return
    done
    return 1
}

setup_evcxr() {
    find_evcxr >/dev/null && return
    say "compiling evcxr_jupyter $EVCXR_VERSION, the Rust kernel, about 8 minutes on 2 cores, once"
    cargo install --quiet --locked --root "$CACHE" "evcxr_jupyter@$EVCXR_VERSION" >&2 ||
        die "cargo could not install evcxr_jupyter; its message is above"
}

# The kernel's type inference reads the standard library's sources.
setup_rust_sources() {
    [[ -d $(rustc --print sysroot)/lib/rustlib/src/rust/library ]] && return
    rustup component add rust-src >&2 || apt_install rust-src ||
        die "the standard library's sources are missing: rustup component add rust-src"
}

setup_dataset() {
    [[ -d $DATASET ]] || apt_install dataset-fashion-mnist ||
        say "no $DATASET: the library will download Fashion-MNIST at its first use"
}

setup_kernelspec() {
    local spec=$VENV/share/jupyter/kernels/rust
    [[ -f $spec/logo-64x64.png ]] || JUPYTER_PATH=$VENV/share/jupyter "$(find_evcxr)" --install >/dev/null
    "$VENV/bin/python" - "$NOTEBOOKS/start.sh" "$spec/kernel.json" <<'PYTHON'
import json, sys
script, path = sys.argv[1:]
spec = {"argv": [script, "kernel", "{connection_file}"], "display_name": "Rust",
        "language": "rust", "interrupt_mode": "message"}
json.dump(spec, open(path, "w"), indent=2)
PYTHON
}

# --- The compiled dependencies of the kernel ------------------------------------------------------
#
# evcxr compiles each cell in a Cargo package, `ctx`. Here that package is a member of a workspace,
# which decides two things that evcxr leaves open: the profile of the dependencies (evcxr would build
# them with debug assertions and overflow checks) and, by way of the member `pin` that is never
# built, a Cargo.lock that keeps this repository's versions even while `ctx` has no dependency yet.

setup_template() {
    local stamp
    stamp=$(template_stamp)
    [[ $(cat "$KERNELS/template/stamp" 2>/dev/null) == "$stamp" ]] && return
    local new=$KERNELS/template.new
    rm -rf "$new"
    if [[ $(head -n 1 "$KERNELS/template/stamp" 2>/dev/null) == "$(head -n 1 <<<"$stamp")" ]]; then
        say "compiling fmnist-lib for the notebook kernel, about 2 minutes"
        copy_template "$KERNELS/template" "$new"
        drop_artefacts "$new" 'fmnist'
    else
        say "compiling Candle for the notebook kernel, about 12 minutes on 2 cores, once"
    fi
    write_workspace "$new"
    FMNIST_KERNEL_DIR=$new "$VENV/bin/python" "$NOTEBOOKS/kernel/run.py" --cwd "$NOTEBOOKS" \
        "$NOTEBOOKS/kernel/warm-up.rs" >&2 || die "the notebook kernel could not be prepared"
    drop_artefacts "$new" 'ctx'
    echo "$stamp" >"$new/stamp"
    replace_template "$new"
}

# Line 1: what forces a rebuild from nothing. Line 2: what forces a rebuild of fmnist-lib.
template_stamp() {
    echo "$(rustc -vV | tr '\n' ' ')$EVCXR_VERSION $(declare -f write_workspace | sha256sum)"
    (cd "$ROOT" && find Cargo.toml Cargo.lock fmnist-lib/Cargo.toml fmnist-lib/src \
        notebooks/kernel/warm-up.rs -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | tr -d '\n' && pwd)
}

write_workspace() {
    mkdir -p "$1/pin/src" "$1/ctx"
    cp "$ROOT/Cargo.lock" "$1/"
    touch "$1/pin/src/lib.rs"
    cat >"$1/Cargo.toml" <<'TOML'
[workspace]
members = ["ctx", "pin"]
resolver = "3"

[profile.dev]
opt-level = 2
debug = false
strip = "debuginfo"
rpath = true
codegen-units = 16

[profile.dev.package."*"]
opt-level = 3
debug-assertions = false
overflow-checks = false
TOML
    cat >"$1/pin/Cargo.toml" <<TOML
[package]
name = "pin"
version = "0.0.0"
edition = "2024"

[dependencies]
fmnist-lib = { path = "$ROOT/fmnist-lib", optional = true }
TOML
}

# Copies a workspace: hard links to what is never written again, real copies of all the rest, so
# that nothing Cargo does in one copy (its lock files included) is felt in another.
copy_template() {
    local final=(\( -name '*.rlib' -o -name '*.rmeta' -o -name '*.so' -o -name 'build*script*' \) ! -name '*fmnist*')
    mkdir -p "$2"
    (
        cd "$1"
        find . -type f "${final[@]}" -print0 | xargs -0 -r cp -al --parents -t "$2"
        find . -type f ! \( "${final[@]}" \) -print0 | xargs -0 -r cp -a --parents -t "$2"
    )
}

# Removes from a workspace what was compiled of the crates whose names hold $2.
drop_artefacts() {
    find "$1/ctx/target" -depth \( -name "*$2*" -o -name 'libcode_*.so' -o -name incremental \) \
        -path '*/debug/*' -exec rm -rf {} +
}

replace_template() {
    exec 8>"$KERNELS/lock"
    flock 8
    rm -rf "$KERNELS/template"
    mv "$1" "$KERNELS/template"
    exec 8>&-
}

# --- One kernel -----------------------------------------------------------------------------------

kernel() {
    [[ $# -eq 1 ]] || die "usage: start.sh kernel CONNECTION_FILE"
    local directory=${FMNIST_KERNEL_DIR:-}
    if [[ -z $directory ]]; then
        directory=$KERNELS/live-$$
        claim "$directory"
        # In a session of its own, because Jupyter kills this one soon after it asked it to end.
        trap 'setsid rm -rf "'"$directory"'" &' EXIT
    fi
    export EVCXR_TMPDIR=$directory/ctx EVCXR_CONFIG_DIR=$NOTEBOOKS/kernel
    # evcxr moves each cell's library out of the folder that its relative run path starts from.
    LD_LIBRARY_PATH=$(rustc --print target-libdir):$EVCXR_TMPDIR/target/$(host)/debug/deps${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
    "$(find_evcxr)" --control_file "$1" &
    # Without its stderr, bash does not report the signal that ended the kernel.
    trap 'exec 2>/dev/null; kill -TERM $!' INT TERM HUP
    wait $! || wait $!
}

host() { rustc -vV | sed -n 's/^host: //p'; }

# Makes this process's own copy of the template and clears away the copies of dead kernels. A copy
# is alive for as long as some process of its kernel holds its lock file open.
claim() {
    local old
    exec 8>"$KERNELS/lock"
    flock 8
    for old in "$KERNELS"/live-*; do
        [[ ! -d $old ]] || flock --nonblock "$old/lock" rm -rf "$old" || true
    done
    [[ -f $KERNELS/template/stamp ]] || die "the kernel is not set up: run notebooks/start.sh setup"
    mkdir -p "$1"
    exec 9>"$1/lock"
    flock 9
    copy_template "$KERNELS/template" "$1"
    exec 8>&-
}

# --- Commands -------------------------------------------------------------------------------------

serve() {
    local port=${FMNIST_PORT:-8888} options=()
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
    setup
    [[ $EUID -ne 0 ]] || options+=(--allow-root)
    # Without a token only this machine is served, and Jupyter's Host check stays on.
    [[ -n ${JUPYTER_TOKEN:-} ]] || options+=("--IdentityProvider.token=")
    say "JupyterLab at http://localhost:$port (Ctrl-C stops it)"
    exec "$VENV/bin/jupyter" lab --no-browser --ServerApp.ip=127.0.0.1 --ServerApp.port="$port" \
        --ServerApp.port_retries=0 --ServerApp.root_dir="$NOTEBOOKS" \
        --KernelSpecManager.ensure_native_kernel=False \
        --MultiKernelManager.default_kernel_name=rust "${options[@]}"
}

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

run() {
    [[ $# -gt 0 ]] || { usage >&2 && exit 2; }
    setup
    export PYTHONDONTWRITEBYTECODE=1
    exec "$VENV/bin/python" "$NOTEBOOKS/kernel/run.py" "$@"
}

main() {
    case ${1:-} in
    setup) setup ;;
    run) shift && run "$@" ;;
    kernel) shift && kernel "$@" ;;
    help | --help | -h) usage ;;
    "" | -*) serve "$@" ;;
    *) say "unknown command \"$1\"" && usage >&2 && exit 2 ;;
    esac
}

# On one line, so that bash has read all it will run: a kernel outlives edits of this file.
main "$@"; exit
