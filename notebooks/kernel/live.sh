# One kernel, in its own copy of the template. Read by start.sh.

# Where kernels write: beside the template or, where that is read-only, in the user's cache.
live_folder() { [[ -w $CACHE/kernel ]] && echo "$CACHE/kernel" || echo "$USER_CACHE/kernel"; }

# evcxr itself; relay.py stands before it.
evcxr() {
    [[ $# -eq 1 ]] || die "usage: start.sh evcxr CONNECTION_FILE"
    local live libraries directory=${FMNIST_KERNEL_DIR:-}
    live=$(live_folder)
    if [[ -z $directory ]]; then
        directory=$live/live-$$
        claim "$live" "$directory"
        copy=$directory
    fi
    . "$directory/toolchain"
    export FMNIST_CARGO FMNIST_NOTEBOOKS=$NOTEBOOKS RUST_SRC_PATH PATH=$TOOLCHAIN_PROGRAMS:$PATH
    export EVCXR_TMPDIR=$directory/ctx EVCXR_CONFIG_DIR=$NOTEBOOKS/kernel
    # evcxr moves each cell's library out of the folder that its relative run path starts from. A
    # folder that is not there when the process starts is never searched again.
    libraries=$EVCXR_TMPDIR/target/$TOOLCHAIN_HOST/debug/deps
    mkdir -p "$libraries"
    export LD_LIBRARY_PATH=$TOOLCHAIN_LIBRARIES:$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    cargo_home "${FMNIST_CARGO_HOME:-$live/cargo}"
    FMNIST_EVCXR=$(find_evcxr) FMNIST_STREAMS=$(dirname "$1")
    export FMNIST_EVCXR FMNIST_STREAMS
    # Whoever started this holds the other end of stdin: where nobody does any more, the kernel ends.
    (read -r || kill -TERM $$) <&0 9>&- &
    watcher=$!
    trap finish EXIT
    start_evcxr "$directory/evcxr" --control_file "$1" </dev/null &
    # Without its stderr, bash does not report the signal that ended the kernel.
    trap 'exec 2>/dev/null; kill -TERM $!' INT TERM HUP
    wait $! || wait $!
}

finish() {
    kill "$watcher" 2>/dev/null
    # In a session of its own, because Jupyter kills this one soon after it asked it to end.
    [[ -z ${copy:-} ]] || setsid rm -rf "$copy" &
}

# evcxr runs the cells in a second process of its own program, by the name that Linux gives it. Here that is
# the name of a file that is no more, "$1 (deleted)": kernel/runtime stands under it. See PROTOCOL.md.
start_evcxr() {
    local program=$1
    shift
    trap - INT # Stop sends SIGINT, which a shell has its background jobs ignore
    ln -sf "$NOTEBOOKS/kernel/runtime" "$program (deleted)"
    ln -f "$FMNIST_EVCXR" "$program" 2>/dev/null || cp "$FMNIST_EVCXR" "$program"
    exec 6<"$program"
    rm "$program"
    exec -a evcxr_jupyter /proc/self/fd/6 "$@"
}

# Makes this process's own copy of the template and clears away the copies of dead kernels. A copy
# is alive for as long as some process of its kernel holds its lock file open.
claim() {
    local old
    mkdir -p "$1"
    exec 8>"$1/lock"
    flock 8
    for old in "$1"/live-*; do
        [[ ! -d $old ]] || flock --nonblock "$old/lock" rm -rf "$old" || true
    done
    [[ -f $TEMPLATE/stamp ]] || die "the kernel is not set up: run notebooks/start.sh setup"
    mkdir -p "$2"
    exec 9>"$2/lock"
    flock 9
    copy_template "$TEMPLATE" "$2"
    exec 8>&-
}

# Copies a workspace: hard links to what is never written again, real copies of all the rest, so
# that nothing Cargo does in one copy (its lock files included) is felt in another, and a copy
# outlives a new template.
copy_template() {
    [[ -w $1 ]] || { link_template "$@" && return; }
    # Not what a user's change of the library makes anew.
    local final=(\( -name '*.rlib' -o -name '*.rmeta' -o -name '*.so' -o -name 'build*script*' \) ! -name '*fmnist*')
    mkdir -p "$2"
    cp -al "$1/." "$2/"
    (cd "$1" && find . -type f ! \( "${final[@]}" \) -print0 |
        xargs -0 -r cp -a --parents --remove-destination -t "$2")
}

# The same for an image's template, which nobody can write to and which lies on another file system:
# symbolic links, whole folders at a time. A new container makes some thousand files slowly.
link_template() {
    local profile copy folder
    mkdir -p "$2"
    (cd "$1" && find . -path './ctx/target/*debug/*' -prune -o -type f -print0 | xargs -0 cp -a --parents -t "$2")
    for profile in "$1"/ctx/target/{,*/}debug; do
        copy=$2${profile#"$1"}
        mkdir -p "$copy"/{.fingerprint,build,deps}
        find "$profile" -maxdepth 1 -type f ! -name '.*' -exec ln -s -t "$copy" {} +
        for folder in .fingerprint build deps; do
            ln -s -t "$copy/$folder" "$profile/$folder"/*
        done
    done
}

# A CARGO_HOME that differs from the user's in one thing: evcxr and its rust-analyzer find kernel/cargo
# there. (evcxr would ask rustup first.) Downloads are shared with the user's own or, where that is an
# image's, start with what the image has and are kept with the user. Its path must be the same as when
# the template was compiled, or Cargo compiles everything anew.
cargo_home() {
    local theirs=${CARGO_HOME:-$HOME/.cargo} entry index
    mkdir -p "$1/bin"
    ln -sfn "$NOTEBOOKS/kernel/cargo" "$1/bin/cargo"
    ln -sfn /bin/false "$1/bin/rustup"
    if [[ -w $theirs ]]; then
        mkdir -p "$theirs/registry" "$theirs/git"
        for entry in registry git config.toml credentials.toml; do
            [[ ! -e $theirs/$entry ]] || ln -sfn "$theirs/$entry" "$1/$entry"
        done
    else
        for entry in "$theirs"/registry/{src,cache}/*; do
            index=$1/registry/${entry#"$theirs/registry/"}
            mkdir -p "$index"
            ln -s -t "$index" "$entry"/* 2>/dev/null || true
        done
        cp -r --update "$theirs/registry/index" "$1/registry/"
    fi
    export CARGO_HOME=$1 PATH=$1/bin:$PATH FMNIST_PYTHON=$VENV/bin/python CARGO_CACHE_AUTO_CLEAN_FREQUENCY=never
}
