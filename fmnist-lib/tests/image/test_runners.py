"""Other programs that read and run these notebooks: papermill and nbconvert in the image, jupytext beside it."""

import jupytext
import nbformat
import pytest
from conftest import OWNER, REPOSITORY
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def run(stack, *arguments, **options):
    """A command in the image, as its user; what it printed."""
    return stack.compose("run", "--rm", "-T", "notebooks", *arguments, **options)


def test_papermill_sets_parameters_with_their_types(stack):
    run(stack, "papermill", "10-export.ipynb", "made.ipynb", "-p", "epochs", "2")
    path = stack.notebooks / "made.ipynb"
    made = nbformat.read(path, as_version=4)
    assert made.metadata.papermill.parameters == {"epochs": 2}
    assert "// Parameters\nlet epochs: usize = 2;" in [cell.source for cell in made.cells]
    assert "Epoch 2/2 - " in path.read_text() and "Epoch 3" not in path.read_text()
    assert path.stat().st_uid == OWNER


def test_papermill_ends_where_a_cell_fails(stack):
    cells = ['let name: &str = "nobody";', 'let _: u8 = "x".parse()?;', 'println!("not reached");']
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata.tags = ["parameters"]
    notebook.metadata.kernelspec = {"name": "rust", "display_name": "Rust", "language": "rust"}
    nbformat.write(notebook, stack.notebooks / "fails.ipynb")
    printed = run(stack, "papermill", "fails.ipynb", "failed.ipynb", "-p", "name", "two words", check=False)
    assert "PapermillExecutionError" in printed and "invalid digit found in string" in printed
    failed = (stack.notebooks / "failed.ipynb").read_text()
    assert 'let name: &str = \\"two words\\";' in failed and "not reached\\n" not in failed


def test_nbconvert_colours_rust(stack):
    run(stack, "jupyter", "nbconvert", "--to", "html", "10-export.ipynb")
    page = (stack.notebooks / "10-export.html").read_text()
    assert '<span class="kd">let</span>' in page and '<span class="fm">println!</span>' in page
    assert '<span class="err">' not in page


@pytest.mark.parametrize("form", ["rs:percent", "md"])
def test_jupytext_gives_a_notebook_back(form):
    """From a plain Rust file and from Markdown: the same cells, tags and kernel."""
    for path in NOTEBOOKS:
        before = nbformat.read(path, as_version=4)
        text = jupytext.writes(before, form)
        assert "use fmnist_lib::*;" in text
        after = jupytext.reads(text, form)
        assert [facts(cell) for cell in after.cells] == [facts(cell) for cell in before.cells], path
        assert after.metadata.kernelspec == before.metadata.kernelspec


def facts(cell):
    return cell.cell_type, cell.source, cell.metadata.get("tags", [])
