"""Other programs that read and run these notebooks: papermill and nbconvert in the image, jupytext beside it."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import OWNER, REPOSITORY, command
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_jupytext_gives_a_notebook_back(path, tmp_path):
    """As a plain Rust file and as Markdown: the same cells, tags and metadata."""
    for form, ending in (("rs:percent", ".rs"), ("md", ".md")):
        copy = Path(shutil.copy(path, tmp_path))
        jupytext = [sys.executable, "-m", "jupytext", "--quiet"]
        text = copy.with_suffix(ending)
        command(*jupytext, "--to", form, "--output", text, copy)
        assert "FashionMnist" in text.read_text() or "fmnist_lib" in text.read_text()
        copy.unlink()
        command(*jupytext, "--to", "ipynb", "--output", copy, text)
        before, after = nbformat.read(path, as_version=4), nbformat.read(copy, as_version=4)
        assert [facts(cell) for cell in after.cells] == [facts(cell) for cell in before.cells]
        assert after.metadata.kernelspec == before.metadata.kernelspec


def facts(cell):
    return cell.cell_type, cell.source, cell.metadata.get("tags", [])
