"""What `start.sh run --set` makes of a notebook."""

import unittest

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.exceptions import PapermillException
from papermill_rust import literal
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
        after = with_values(before, {"epochs": 5, "rate": 0.001, "name": 'a "b"\\'})
        self.assertEqual(len(before.cells), 4)
        self.assertEqual([cell.source for cell in after.cells], [
            *(cell.source for cell in before.cells[:3]),
            "// Parameters\n"
            "let epochs: usize = 5;\n"
            "let mut rate = 0.001;\n"
            'let name: String = "a \\"b\\"\\\\".to_owned();',
            "train(epochs)",
        ])
        self.assertEqual(after.cells[3].metadata.tags, ["injected-parameters"])

    def test_a_second_run_replaces_what_the_first_has_set(self):
        again = with_values(with_values(notebook(), {"epochs": 5}), {"epochs": 6})
        self.assertEqual(len(again.cells), 5)
        self.assertEqual(again.cells[3].source, "// Parameters\nlet epochs: usize = 6;")

    def test_what_is_no_parameter_is_refused_by_name(self):
        with self.assertRaisesRegex(Refused, "there is no parameter epoch; there is epochs, rate, name"):
            with_values(notebook(), {"epoch": 5})
        bare = notebook()
        bare.cells[2].metadata.tags = []
        with self.assertRaisesRegex(Refused, "no cell has the tag parameters"):
            with_values(bare, {"epochs": 5})

    def test_a_setting_is_a_name_and_a_value_of_json_or_a_text(self):
        for setting, meant in {"epochs=5": 5, "rates=[0.1, 2e-3]": [0.1, 0.002], "flip=true": True, "name=a=b": "a=b",
                               'name="5"': "5", "scaling=Scaling::Raw": "Scaling::Raw"}.items():
            self.assertEqual(split(setting)[1], meant)
        for wrong in ("epochs", "epochs=", "=5", "two words=5"):
            with self.assertRaisesRegex(Refused, "NAME=VALUE"):
                split(wrong)


class Translation(unittest.TestCase):
    """Rust for the values that papermill takes from a command line, a YAML file or Python."""

    def test_a_value_is_an_expression_of_the_declared_type(self):
        for value, kind, expression in [
            (5, "usize", "5"), (5, "f64", "5.0"), (1e-05, "f64", "1e-05"), (True, "bool", "true"), (False, None, "false"),
            (float("nan"), "f32", "f32::NAN"), (float("-inf"), None, "-f64::INFINITY"),
            ("a\n\u00e9", None, '"a\n\u00e9"'), ("Scaling::Raw", "Scaling", "Scaling::Raw"),
            ([1, 2.5], "Vec<f64>", "vec![1.0, 2.5]"), (["a"], "Vec<String>", 'vec!["a".to_owned()]'), ([1, 2], "[u8; 2]", "[1, 2]"),
            (None, "Option<usize>", "None"), (3, "Option<f64>", "Some(3.0)"), ([[1], [2]], "Vec<Vec<f64>>", "vec![vec![1.0], vec![2.0]]"),
        ]:
            self.assertEqual(literal(value, kind), expression, (value, kind))

    def test_what_rust_cannot_say_is_refused(self):
        for value in (None, {"a": 1}):
            with self.assertRaisesRegex(PapermillException, "no expression for the value"):
                literal(value)


if __name__ == "__main__":
    unittest.main()
