"""What `start.sh run --set` makes of a notebook."""

import unittest

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from parameters import Refused, split, with_values


def notebook(source='let epochs: usize = if quick() { 1 } else { 50 };\nlet mut rate = 0.1;\nlet name: String = "a = b".into();'):
    return new_notebook(cells=[
        new_markdown_cell("# Title"),
        new_code_cell("use fmnist_lib::*;"),
        new_code_cell(source, metadata={"tags": ["parameters"]}),
        new_code_cell("train(epochs)"),
    ])


class Parameters(unittest.TestCase):
    def test_values_stand_in_a_cell_behind_the_declared_ones_with_their_types(self):
        before = notebook()
        after = with_values(before, {"epochs": "5", "rate": "1e-3", "name": 'a "b"\\'})
        self.assertEqual(len(before.cells), 4)
        self.assertEqual([cell.source for cell in after.cells], [
            *(cell.source for cell in before.cells[:3]),
            "// Parameters\n"
            "let epochs: usize = 5;\n"
            "let mut rate = 1e-3;\n"
            'let name: String = "a \\"b\\"\\\\".to_owned();',
            "train(epochs)",
        ])
        self.assertEqual(after.cells[3].metadata.tags, ["injected-parameters"])

    def test_a_second_run_replaces_what_the_first_has_set(self):
        again = with_values(with_values(notebook(), {"epochs": "5"}), {"epochs": "6"})
        self.assertEqual(len(again.cells), 5)
        self.assertEqual(again.cells[3].source, "// Parameters\nlet epochs: usize = 6;")

    def test_what_is_no_parameter_is_refused_by_name(self):
        with self.assertRaisesRegex(Refused, "there is no parameter epoch; there is epochs, rate, name"):
            with_values(notebook(), {"epoch": "5"})
        bare = notebook()
        bare.cells[2].metadata.tags = []
        with self.assertRaisesRegex(Refused, "no cells have the tag parameters"):
            with_values(bare, {"epochs": "5"})

    def test_a_setting_is_a_name_and_a_value(self):
        self.assertEqual(split("rates=vec![0.1, 0.2]"), ("rates", "vec![0.1, 0.2]"))
        self.assertEqual(split("name=a=b"), ("name", "a=b"))
        for wrong in ("epochs", "epochs=", "=5", "two words=5"):
            with self.assertRaisesRegex(Refused, "NAME=VALUE"):
                split(wrong)


if __name__ == "__main__":
    unittest.main()
