"""Set-up: what it says, whom it asks for nothing, and what it writes while others may read it."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import build
import library
import live
import packages
import set_up
import start

KERNEL = Path(set_up.__file__).parent
START = KERNEL.parent / "start.sh"


class Machine(unittest.TestCase):
    """A machine on whose PATH there is nothing but shell scripts."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.home.chmod(0o755)
        self.path = self.home / "path"
        self.path.mkdir()
        for program in ("dirname", "readlink"):
            (self.path / program).symlink_to(f"/usr/bin/{program}")

    def has(self, *names):
        for name in names:
            program = self.path / name
            program.write_text(f"#!/bin/sh\necho {name} \"$@\" >>{self.home}/called\n")
            program.chmod(0o755)

    def has_python(self):
        (self.path / "python3").symlink_to(sys.executable)

    def start(self, *arguments):
        environment = {"PATH": str(self.path), "HOME": str(self.home), "FMNIST_CACHE_DIR": str(self.home / "cache"),
                       "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(["/bin/sh", START, *arguments], env=environment, text=True, capture_output=True,
                                check=False)
        self.assertNotIn("Traceback", result.stderr)
        return result

    def test_without_python(self):
        result = self.start("setup")
        self.assertEqual(result.returncode, 1)
        self.assertIn("python3 is missing: install Python 3.10 or newer", result.stderr)

    def test_without_rust(self):
        self.has_python()
        self.assertIn("cargo is missing: install Rust from https://rustup.rs", self.start("setup").stderr)

    def test_each_distribution_calls_a_compiler_by_another_name(self):
        self.has_python()
        self.has("cargo", "rustc")
        for manager, words in [("apt-get", "sudo apt-get install build-essential"), ("dnf", "sudo dnf install gcc"),
                               ("pacman", "sudo pacman -S base-devel"), ("zypper", "sudo zypper install gcc"),
                               ("brew", "xcode-select --install")]:
            with self.subTest(manager):
                self.has(manager)
                self.assertIn(words, self.start("setup").stderr)
                (self.path / manager).unlink()
        self.assertFalse((self.home / "called").exists())

    def test_nobody_but_root_installs_packages_and_nobody_uses_sudo(self):
        self.has("apt-get", "sudo")
        with mock.patch.dict(os.environ, {"PATH": str(self.path)}):
            with mock.patch.object(os, "geteuid", lambda: 1000):
                self.assertFalse(packages.apt_install("something"))
            self.assertFalse((self.home / "called").exists())
            with mock.patch.object(os, "geteuid", lambda: 0), contextlib.redirect_stderr(sys.__stderr__):
                self.assertTrue(packages.apt_install("something"))
        self.assertEqual((self.home / "called").read_text().splitlines(),
                         ["apt-get update -q", "apt-get install -qy --no-install-recommends something"])

    def test_an_unknown_command(self):
        self.has_python()
        result = self.start("srve")
        self.assertEqual(result.returncode, 2)
        self.assertIn('unknown command "srve"', result.stderr)
        self.assertIn("notebooks/start.sh run", result.stderr)


class Steps(unittest.TestCase):
    def test_all_that_is_missing_is_told_before_the_first_is_made(self):
        made, told = [], io.StringIO()
        step = lambda name, done: set_up.Step(name, f"{name} minutes", lambda: done, lambda: made.append(told.getvalue()))
        with tempfile.TemporaryDirectory() as cache, mock.patch.object(set_up, "CACHE", Path(cache)):
            with contextlib.redirect_stderr(told):
                set_up.do([step("alpha", False), step("beta", True), step("gamma", False)])
            self.assertIn(cache, made[0])
        self.assertEqual(len(made), 2)
        self.assertIn("alpha, alpha minutes", made[0])
        self.assertIn("gamma, gamma minutes", made[0])
        self.assertNotIn("beta", told.getvalue())


class Settings(unittest.TestCase):
    def test_the_readme_has_all_that_compose_and_the_start_script_name(self):
        settings = re.compile(r"\b(?:FMNIST|NB|JUPYTER)_[A-Z_]+")
        readme = (KERNEL.parent.parent / "README.md").read_text()
        table = readme[readme.index("\n## Settings\n"):readme.index("\n## The data\n")]
        for named in ((KERNEL.parent.parent / "docker-compose.yml").read_text(), start.USAGE):
            self.assertLessEqual(set(settings.findall(named)), set(settings.findall(table)))


class Kernelspec(unittest.TestCase):
    def test_a_reader_gets_the_old_one_or_the_new_one_whole(self):
        with tempfile.TemporaryDirectory() as cache, mock.patch.object(set_up, "VENV", Path(cache)):
            folder = Path(cache, "share", "jupyter", "kernels", "rust")
            folder.mkdir(parents=True)
            (folder / "logo-64x64.png").touch()
            spec = folder / "kernel.json"
            spec.write_text("the old one")
            with spec.open() as reader:
                set_up.write_kernelspec()
                self.assertEqual(reader.read(), "the old one")
            self.assertEqual(json.loads(spec.read_text())["argv"][1:], [str(KERNEL / "relay.py"), "{connection_file}"])
            settings = Path(cache, "share", "jupyter", "lab", "settings", "overrides.json")
            self.assertEqual(settings.read_text(), (KERNEL / "lab.json").read_text())
            self.assertEqual(sorted(path.name for path in folder.iterdir()), ["kernel.json", "logo-64x64.png"])


class Dependencies(unittest.TestCase):
    """Which line of a manifest names the library that lies compiled."""

    def test_the_library_of_this_checkout_without_more(self):
        for line in ['fmnist-lib = { path = "/somewhere" }', 'fmnist-lib = {workspace = true}',
                     'fmnist-lib={path="../fmnist-lib"}']:
            self.assertEqual(build.OURS.sub("", f'[dependencies]\nrand = "1"\n{line}\n'), '[dependencies]\nrand = "1"\n')
        for line in ['fmnist-lib = { path = "/somewhere", features = ["x"] }', 'fmnist-lib = "1"',
                     'fmnist-lib-more = { workspace = true }']:
            self.assertIsNone(build.OURS.search(f"[dependencies]\n{line}\n"), line)

    def test_another_checkout_is_compiled(self):
        self.assertFalse(build.is_ready("/somewhere/else/fmnist-lib"))


class Toolchain(unittest.TestCase):
    def test_a_compiler_that_lies_elsewhere_now_is_found_by_the_next_kernel(self):
        """The same compiler, so that nothing is compiled again."""
        with tempfile.TemporaryDirectory() as folder:
            template = Path(folder)
            (template / "toolchain.json").write_text('{"programs": "/no/more"}')
            with mock.patch.object(library, "TEMPLATE", template), mock.patch.object(set_up, "CACHE", template), \
                    mock.patch.object(library, "write_toolchain", lambda: real(template)), \
                    mock.patch.object(set_up, "write_kernelspec", lambda: None), \
                    mock.patch.object(set_up, "COMPILED", set_up.Step("", "", lambda: True, None)):
                set_up.do([set_up.COMPILED])
            self.assertTrue(Path(json.loads((template / "toolchain.json").read_text())["programs"], "rustc").exists())


real = library.write_toolchain


class Stamp(unittest.TestCase):
    def test_every_source_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name in ("Cargo.toml", "Cargo.lock", "fmnist-lib/Cargo.toml", "fmnist-lib/kernels/Cargo.toml",
                         "fmnist-lib/src/nn/dense.rs", "fmnist-lib/kernels/src/gemm.rs"):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
            with mock.patch.object(library, "ROOT", root), mock.patch.object(library, "LIBRARY", root / "fmnist-lib"):
                stamps = {library.sources_stamp()}
                for path in library.sources():
                    path.write_text("changed")
                    stamps.add(library.sources_stamp())
                self.assertEqual(len(stamps), 7)


class Template(unittest.TestCase):
    def test_a_kernels_copy_outlives_a_new_template(self):
        with tempfile.TemporaryDirectory() as folder:
            template, copy = Path(folder, "template"), Path(folder, "live")
            (template / "library").mkdir(parents=True)
            (template / "library" / "libfmnist_lib.so").write_text("old")
            (template / "Cargo.toml").write_text("old")
            live.copy_template(template, copy)
            (template / "Cargo.toml").write_text("new")
            (template / "library" / "libfmnist_lib.so").unlink()
            (template / "library" / "libfmnist_lib.so").write_text("new")
            self.assertEqual((copy / "library" / "libfmnist_lib.so").read_text(), "old")
            self.assertEqual((copy / "Cargo.toml").read_text(), "old")


if __name__ == "__main__":
    unittest.main()
