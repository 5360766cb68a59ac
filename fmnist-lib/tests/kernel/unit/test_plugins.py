"""Other programs find what is made for them, where set-up has put it."""

import os
import unittest
from importlib.metadata import entry_points
from unittest.mock import patch

from papermill.engines import papermill_engines
from papermill.translators import papermill_translators


class Plugins(unittest.TestCase):
    def test_papermill_has_loaded_the_translator(self):
        self.assertIsNotNone(papermill_engines.get_engine("rust"))
        self.assertEqual(papermill_translators.find_translator("rust", "Rust").__name__, "RustTranslator")

    def test_the_launcher_has_tensorboard_where_it_is_installed(self):
        [entry] = entry_points(group="jupyter_serverproxy_servers", name="tensorboard")
        with patch.dict(os.environ, {"FMNIST_WORK_DIR": "/home/jovyan/work"}):
            server = entry.load()()
        self.assertIn("/home/jovyan/work/logs", server["command"])
        self.assertFalse(server["launcher_entry"]["enabled"])  # not in the Python of these notebooks


if __name__ == "__main__":
    unittest.main()
