"""The library as cells link it, compiled once: a shared library, and what the compiler knows of it and of Candle.

Cargo never sees it when it compiles a cell (build.py), so no crate that a notebook adds, with whatever features,
has it compile the library again, and a cell waits for nothing but itself.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from crates import cargo_home
from places import CACHE, LIBRARY, ROOT, TEMPLATE, alone, replace, say

PROFILES = """
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
"""
# Texts, archives and picture files: no notebook waits for them.
COLD = ["image", "moxcms", "regex-automata", "regex-syntax", "tokenizers", "zip"]
BUILD = CACHE / "kernel" / "build"
# Another name for all that is compiled here than for the same crates in a notebook: both may be in one process.
FLAGS = "-Cprefer-dynamic -Cmetadata=library"


def workspace(members):
    """The manifest of a workspace that decides what evcxr would leave open: how dependencies are compiled."""
    cold = "".join(f"\n[profile.dev.package.{name}]\nopt-level = 1\n" for name in COLD)
    return f'[workspace]\nmembers = {json.dumps(members)}\nresolver = "3"\n{PROFILES}{cold}'


def write_pin(folder, optional):
    """A package that keeps this repository's versions in a Cargo.lock, whatever else depends on what."""
    (folder / "pin" / "src").mkdir(parents=True, exist_ok=True)
    (folder / "pin" / "src" / "lib.rs").touch()
    dependency = {"path": str(LIBRARY)} | ({"optional": True} if optional else {})
    fields = ", ".join(f"{name} = {json.dumps(value)}" for name, value in dependency.items())
    (folder / "pin" / "Cargo.toml").write_text(
        f'[package]\nname = "pin"\nversion = "0.0.0"\nedition = "2024"\n\n[dependencies]\nfmnist-lib = {{ {fields} }}\n')
    shutil.copy(ROOT / "Cargo.lock", folder)


def stamp():
    """What the library for notebooks is made of: the compiler and how it is called, and the sources."""
    digest = hashlib.sha256(subprocess.check_output(["rustc", "-vV"]))
    digest.update(str(LIBRARY).encode() + Path(__file__).read_bytes())
    return f"{digest.hexdigest()}\n{sources_stamp()}\n"


def sources_stamp():
    digest = hashlib.sha256()
    for path in sources():
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def has_changed(stamp):
    """Whether the sources are others than those behind a stamp. An image's are what they are."""
    return os.access(TEMPLATE, os.W_OK) and sources_stamp() not in stamp


def sources():
    folders = [LIBRARY, LIBRARY / "kernels"]
    manifests = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", *(folder / "Cargo.toml" for folder in folders)]
    return [*manifests, *sorted(path for folder in folders for path in (folder / "src").rglob("*.rs"))]


def is_current():
    return TEMPLATE.joinpath("stamp").is_file() and TEMPLATE.joinpath("stamp").read_text() == stamp()


def make():
    """Compiles the library, and puts what kernels need of it in the template's place. The caller has locked set-up."""
    new = TEMPLATE.with_name("template.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "library").mkdir(parents=True)
    files = compile_library()
    for file in files:
        os.link(file, new / "library" / file.name)
    (new / "ctx").mkdir()
    write_pin(new, optional=True)
    # The library for notebooks in any folder, as `:dep fmnist-lib = { workspace = true }`.
    (new / "Cargo.toml").write_text(
        f"{workspace(['ctx', 'pin'])}\n[workspace.dependencies]\nfmnist-lib = {{ path = {json.dumps(str(LIBRARY))} }}\n")
    write_toolchain(new)
    (new / "stamp").write_text(stamp())
    with alone(TEMPLATE.with_name("lock")):  # no kernel is copying the old one
        shutil.rmtree(TEMPLATE, ignore_errors=True)
        new.rename(TEMPLATE)


def compile_library():
    """The shared library, and the metadata of all that it is made of; of a procedural macro, that is in the macro."""
    write_pin(BUILD, optional=False)
    (BUILD / "Cargo.toml").write_text(workspace(["pin"]))
    host = rustc_host()
    command = ["cargo", "build", "--package", "fmnist-lib", "--target", host, "--message-format", "json-render-diagnostics"]
    # Where cells have theirs: Cargo compiles the same crates again where they lie elsewhere.
    environment = os.environ | {"RUSTFLAGS": FLAGS, "CARGO_TARGET_DIR": str(BUILD / "target"), "CARGO_HOME": str(cargo_home())}
    for name in ("CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_BUILD_DIR"):
        environment.pop(name, None)
    # Of all systems: `cargo metadata` wants to see the manifests of packages that only Windows compiles.
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=BUILD, env=environment, check=False)
    # Cargo's progress, package by package, goes to whoever started this.
    built = subprocess.run(command, cwd=BUILD, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        say("the library could not be compiled for notebooks; Cargo's message is above")
        sys.exit(1)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    made = [(Path(file), message["target"]["kind"]) for message in messages if message["reason"] == "compiler-artifact"
            for file in message["filenames"]]
    return [file for file, kind in made if kind == ["proc-macro"] or host in file.parts and
            (file.suffix == ".rmeta" or file.name == "libfmnist_lib.so")]


def rustc_host():
    lines = subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
    return next(line.split()[1] for line in lines if line.startswith("host:"))


def write_toolchain(template=TEMPLATE):
    """What a kernel would otherwise ask rustup and rustc at each start. The same compiler may lie elsewhere than when the
    library was compiled."""
    replace(template / "toolchain.json", json.dumps(toolchain()))


def toolchain():
    ask = lambda *command: subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    sysroot = ask("rustc", "--print", "sysroot")
    return {"libraries": ask("rustc", "--print", "target-libdir"), "host": rustc_host(),
            "cargo": shutil.which("rustup") and ask("rustup", "which", "cargo") or shutil.which("cargo"),
            "sources": str(rust_sources() or ""), "programs": f"{sysroot}/bin"}


def rust_sources():
    """The standard library's, of rustup, or of Debian's package for its own compiler or, where there is another
    compiler, for the newest that it has. In older ones, evcxr's rust-analyzer does not find `vec!` and `format!`."""
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    candidates = [Path(sysroot, "lib/rustlib/src/rust/library")]
    version = lambda path: [int(number) for number in path.parent.name.removeprefix("rustc-").split(".")]
    packaged = sorted(Path("/usr/src").glob("rustc-*/library"), key=version)
    candidates += [path for path in packaged[-1:] if version(path) >= [1, 95]]
    return next((path for path in candidates if (path / "core").is_dir()), None)


if __name__ == "__main__":
    compile_library()  # for an image, in which the packages behind the library are a layer of their own
