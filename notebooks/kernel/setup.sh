# Makes what notebooks need, each thing once: JupyterLab, the Rust kernel, the data, and the kernel's
# template, in which all dependencies are compiled. Read by start.sh.

EVCXR_VERSION=$(<"$NOTEBOOKS/kernel/evcxr-version")
VENV=$CACHE/venv
TEMPLATE=$CACHE/kernel/template
DATASET=/usr/share/datasets/fashion-mnist

setup() {
    # An image comes set up, and its users cannot write there.
    [[ ! -f $TEMPLATE/stamp || -w $TEMPLATE ]] || return 0
    need_tools
    setup_python
    lock_setup
    setup_evcxr
    setup_rust_sources
    setup_dataset
    setup_kernelspec
    setup_template
    exec 7>&-
}

# What is needed to run Python here, and no more.
setup_python() {
    ! venv_is_current || return 0
    need_python
    lock_setup
    setup_venv
    exec 7>&-
}

lock_setup() {
    mkdir -p "$CACHE/kernel"
    exec 7>"$CACHE/setup.lock"
    flock --nonblock 7 || { say "waiting for another set-up to finish" && flock 7; }
}

need_tools() {
    need cargo "install Rust from https://rustup.rs"
    need rustc "install Rust from https://rustup.rs"
    need cc "apt-get install build-essential"
    need_python
}

need_python() { need python3 "apt-get install python3 python3-venv"; }

need() { command -v "$1" >/dev/null || die "$1 is missing: $2"; }

# Installs Debian packages where that needs no password; returns false where it cannot.
apt_install() {
    local sudo=()
    command -v apt-get >/dev/null || return 1
    [[ $EUID -eq 0 ]] || { sudo=(sudo -n) && sudo -n true 2>/dev/null; } || return 1
    say "installing $* with apt-get"
    { "${sudo[@]}" apt-get update -q && "${sudo[@]}" apt-get install -qy --no-install-recommends "$@"; } >&2
}

venv_is_current() { cmp -s "$NOTEBOOKS/kernel/requirements.txt" "$VENV/requirements.txt"; }

setup_venv() {
    ! venv_is_current || return 0 # another process may have made it
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "JupyterLab needs Python 3.10 or newer; this is $(python3 --version)"
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv ||
        die "Python's venv module is missing: apt-get install python3-venv"
    say "installing JupyterLab into $VENV, about 1 minute, once"
    python3 -m venv --clear "$VENV"
    "$VENV/bin/pip" install --quiet --no-cache-dir --requirement "$NOTEBOOKS/kernel/requirements.txt" >&2 ||
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

# The kernel's type inference reads the standard library's sources: rustup's, or those of Debian's
# package for its own compiler or, where there is another compiler, for the newest it has.
setup_rust_sources() {
    [[ -n $(rust_sources) ]] || rustup component add rust-src >&2 || apt_install rust-src || true
    [[ -n $(rust_sources) ]] || apt_install rust-web-src || true
    [[ -n $(rust_sources) ]] ||
        die "the standard library's sources, of Rust 1.95 or newer, are missing: rustup component add rust-src"
}

rust_sources() {
    local folder
    folder=$(rustc --print sysroot)/lib/rustlib/src/rust/library
    [[ ! -d $folder/core ]] || { echo "$folder" && return; }
    folder=$(printf '%s\n' /usr/src/rustc-*/library | sort -V | tail -n 1)
    # In older ones, this rust-analyzer does not find `vec!` and `format!`.
    [[ ! -d $folder/core ]] || ! printf '%s\n' /usr/src/rustc-1.95 "$folder" | sort -VC || echo "$folder"
}

setup_dataset() {
    [[ -d $DATASET ]] || apt_install dataset-fashion-mnist ||
        say "no $DATASET: the library will download Fashion-MNIST at its first use, with a program that it" \
            "compiles then, about 5 minutes, once"
}

setup_kernelspec() {
    local share=$VENV/share/jupyter
    [[ -f $share/kernels/rust/logo-64x64.png ]] || JUPYTER_PATH=$share "$(find_evcxr)" --install >/dev/null
    replace "$share/kernels/rust/kernel.json" "$("$VENV/bin/python" - "$NOTEBOOKS/start.sh" <<'PYTHON'
import json, sys
print(json.dumps({"argv": [sys.argv[1], "kernel", "{connection_file}"], "display_name": "Rust",
                  "language": "rust", "interrupt_mode": "message"}, indent=2))
PYTHON
    )"
    mkdir -p "$share/lab/settings"
    replace "$share/lab/settings/overrides.json" "$(<"$NOTEBOOKS/kernel/lab.json")"
}

# Gives a file another content so that a server that reads it meanwhile gets one or the other, whole.
replace() { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }

# --- The compiled dependencies of the kernel ------------------------------------------------------
#
# evcxr compiles each cell in a Cargo package, `ctx`. Here that package is a member of a workspace,
# which decides two things that evcxr leaves open: the profile of the dependencies (evcxr would build
# them with debug assertions and overflow checks) and, by way of the member `pin` that is never
# built, a Cargo.lock that keeps this repository's versions even while `ctx` has no dependency yet.

setup_template() {
    local stamp new=$TEMPLATE.new
    stamp=$(template_stamp)
    [[ $(cat "$TEMPLATE/stamp" 2>/dev/null) == "$stamp" ]] && { write_toolchain "$TEMPLATE" && return; }
    rm -rf "$new"
    if [[ $(head -n 1 "$TEMPLATE/stamp" 2>/dev/null) == "$(head -n 1 <<<"$stamp")" ]]; then
        say "compiling fmnist-lib for the notebook kernel, about 2 minutes"
        copy_template "$TEMPLATE" "$new"
        drop_artefacts "$new" 'fmnist'
    else
        say "compiling Candle for the notebook kernel, about 12 minutes on 2 cores, once"
    fi
    write_workspace "$new"
    write_library "$new"
    write_toolchain "$new"
    FMNIST_KERNEL_DIR=$new "$VENV/bin/python" "$NOTEBOOKS/kernel/run.py" --cwd "$NOTEBOOKS" \
        "$NOTEBOOKS/kernel/warm-up.rs" >&2 || die "the notebook kernel could not be prepared"
    drop_artefacts "$new" 'ctx'
    echo "$stamp" >"$new/stamp"
    exec 8>"$CACHE/kernel/lock"
    flock 8
    rm -rf "$TEMPLATE"
    mv "$new" "$TEMPLATE"
    exec 8>&-
}

# Line 1: what forces a rebuild from nothing. Line 2: what forces a rebuild of fmnist-lib.
template_stamp() {
    echo "$(rustc -vV | tr '\n' ' ')$EVCXR_VERSION $(declare -f write_workspace | sha256sum)"
    (cd "$ROOT" && find Cargo.toml Cargo.lock fmnist-lib/{,kernels/}{Cargo.toml,src} \
        notebooks/kernel/warm-up.rs -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | tr -d '\n' &&
        declare -f write_library | sha256sum | tr -d '\n' && pwd)
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
    # Texts, archives and picture files: no notebook waits for them.
    local cold
    for cold in image moxcms regex-automata regex-syntax tokenizers zip; do
        printf '\n[profile.dev.package.%s]\nopt-level = 1\n' "$cold" >>"$1/Cargo.toml"
    done
    cat >"$1/pin/Cargo.toml" <<TOML
[package]
name = "pin"
version = "0.0.0"
edition = "2024"

[dependencies]
fmnist-lib = { path = "$ROOT/fmnist-lib", optional = true }
TOML
}

# The library for notebooks in any folder, as `:dep fmnist-lib = { workspace = true }`.
write_library() {
    printf '\n[workspace.dependencies]\nfmnist-lib = { path = "%s" }\n' "$ROOT/fmnist-lib" >>"$1/Cargo.toml"
}

# What a kernel would otherwise ask rustup and rustc at each start.
write_toolchain() {
    printf '%s=%q\n' \
        TOOLCHAIN_LIBRARIES "$(rustc --print target-libdir)" \
        TOOLCHAIN_HOST "$(rustc -vV | sed -n 's/^host: //p')" \
        FMNIST_CARGO "$(rustup which cargo 2>/dev/null || command -v cargo)" \
        RUST_SRC_PATH "$(rust_sources)" \
        TOOLCHAIN_PROGRAMS "$(rustc --print sysroot)/bin" >"$1/toolchain.new"
    mv "$1/toolchain.new" "$1/toolchain"
}

# Removes from a workspace what was compiled of the crates whose names hold $2.
drop_artefacts() {
    find "$1/ctx/target" -depth \( -name "*$2*" -o -name 'libcode_*.so' -o -name incremental \) \
        -path '*/debug/*' -exec rm -rf {} +
}
