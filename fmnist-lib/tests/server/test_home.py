"""The notebooks in a home that begins empty: each is put there once, and never over anything of the user's."""

import os
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import home

NOTEBOOKS = {"01-a.ipynb": "a", "02-b.ipynb": "b", "00-start.md": "start", "results/x/1.json": "1"}


def without(name):
    return {one: text for one, text in NOTEBOOKS.items() if one != name}


class Home(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.image, self.volume = Path(folder.name, "image"), Path(folder.name, "volume")
        self.volume.mkdir()
        self.work = self.volume / "work"
        for name, text in NOTEBOOKS.items():
            self.bring(name, text)
        (self.image / "kernel").mkdir()
        (self.image / "fmnist-lib").mkdir()
        for name, value in [("NOTEBOOKS", self.image), ("LIBRARY", self.image / "fmnist-lib")]:
            patch = mock.patch.object(home, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def bring(self, name, text):
        path = self.image / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fill(self):
        """What is there after a start: texts by name, without the list."""
        home.fill(self.work)
        self.assertEqual([path for path in self.work.rglob("*.new")], [])
        files = {str(path.relative_to(self.work)): path.read_text() for path in self.work.rglob("*") if path.is_file()}
        del files[home.GIVEN]
        return files

    def test_an_empty_volume(self):
        self.assertEqual(self.fill(), NOTEBOOKS)
        self.assertEqual((self.work / "../fmnist-lib").resolve(), (self.image / "fmnist-lib").resolve())
        self.assertEqual(stat.S_IMODE((self.work / "01-a.ipynb").stat().st_mode) & stat.S_IWUSR, stat.S_IWUSR)

    def test_a_second_start_changes_nothing(self):
        self.fill()
        (self.work / "01-a.ipynb").write_text("changed")
        (self.work / "02-b.ipynb").unlink()
        before = (self.work / home.GIVEN).stat().st_mtime_ns
        self.assertEqual(self.fill(), without("02-b.ipynb") | {"01-a.ipynb": "changed"})
        self.assertEqual((self.work / home.GIVEN).stat().st_mtime_ns, before)

    def test_a_newer_image_brings_what_is_new(self):
        self.fill()
        (self.work / "02-b.ipynb").unlink()
        self.bring("02-b.ipynb", "newer")
        self.bring("03-c.ipynb", "c")
        files = self.fill()
        self.assertEqual((files["03-c.ipynb"], "02-b.ipynb" in files), ("c", False))

    def test_nothing_of_the_users_is_touched(self):
        self.work.mkdir()
        (self.work / "01-a.ipynb").write_text("mine")
        (self.work / "02-b.ipynb").symlink_to("nowhere")
        (self.volume / "fmnist-lib").mkdir()
        (self.volume / "fmnist-lib" / "mine").touch()
        self.assertEqual(self.fill(), without("02-b.ipynb") | {"01-a.ipynb": "mine"})
        self.assertTrue((self.work / "02-b.ipynb").is_symlink())
        self.assertTrue((self.volume / "fmnist-lib" / "mine").exists())

    def test_a_start_that_was_cut_short_is_made_good(self):
        for failing in ("builtins.open", "os.replace"):
            with mock.patch(failing, side_effect=OSError(28, "No space left on device")), mock.patch.object(home, "say") as say:
                home.fill(self.work)
            self.assertIn("No space left on device", say.call_args[0][0])
        self.assertTrue(list(self.work.rglob("*.new")))
        self.assertEqual(self.fill(), NOTEBOOKS)

    def test_links_with_the_names_of_files_that_are_being_written(self):
        """Old names of such files and new ones."""
        self.work.mkdir()
        precious = self.volume / "precious"
        precious.write_text("mine")
        for name in (".00-start.md.new", home.GIVEN + ".new", f".{home.GIVEN}.new"):
            (self.work / name).symlink_to(precious)
        home.fill(self.work)
        self.assertEqual(precious.read_text(), "mine")
        self.assertEqual([(self.work / name).is_symlink() for name in (home.LAST, home.GIVEN)], [False, False])

    def test_a_list_that_is_no_text(self):
        self.fill()
        (self.work / "02-b.ipynb").unlink()
        with open(self.work / home.GIVEN, "ab") as given:
            given.write(b"\xff\n")
        self.bring("03-c.ipynb", "c")
        home.fill(self.work)
        self.assertEqual([(self.work / name).exists() for name in ("02-b.ipynb", "03-c.ipynb")], [False, True])

    def test_a_work_that_is_no_folder(self):
        makes = [lambda: self.work.write_text("mine"), lambda: self.work.symlink_to("nowhere")]
        for number, make in enumerate(makes, 1):
            make()
            with mock.patch.object(home, "say") as say:
                self.assertEqual(self.fill(), NOTEBOOKS)
            self.assertIn(f"work.{number}", say.call_args[0][0])
            self.work.rename(self.volume / f"filled.{number}")
        self.assertEqual((self.volume / "work.1").read_text(), "mine")
        self.assertTrue((self.volume / "work.2").is_symlink())

    @unittest.skipIf(os.geteuid(), "only root can make what root has made")
    def test_a_folder_that_root_has_made_for_another_user(self):
        """As Docker does with the image's working directory in an empty volume."""
        self.work.mkdir()
        self.volume.parent.chmod(0o755)
        os.chown(self.volume, 1234, 1234)
        child = os.fork()
        if child == 0:
            os.setgid(1234)
            os.setuid(1234)
            home.fill(self.work)
            os._exit(0 if (self.work / "01-a.ipynb").exists() else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(self.work.stat().st_uid, 1234)


if __name__ == "__main__":
    unittest.main()
