"""JupyterLab in a real browser, as a person uses it; screenshots are kept for a person to look at."""

import json
import re
import shutil
import time
from xml.etree import ElementTree

import nbformat
import pytest
from conftest import OWNER, REPOSITORY
from playwright.sync_api import expect, sync_playwright
from test_live import FIT, LOAD

SCREENSHOTS = REPOSITORY / "target" / "image-test"
NOTEBOOK = "01-the-report-reproduced.ipynb"
MINUTES = 60_000  # in playwright's milliseconds


@pytest.fixture
def page(stack):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
        yield page
        browser.close()
    stack.server.stop_kernels()


def menu(page, *entries):
    for entry in entries:
        page.get_by_role("menuitem", name=re.compile(f"^{entry}")).first.click()


def test_open_run_all_look_download(stack, page):
    page.goto(stack.server.url)
    start = page.locator(".jp-MarkdownViewer:visible")
    expect(start.get_by_role("heading", name="Fashion-MNIST in Rust notebooks")).to_be_visible(timeout=MINUTES)
    expect(page.get_by_role("listitem", name=re.compile(f"^Name: {NOTEBOOK}"))).to_be_visible()
    assert page.get_by_role("listitem", name=re.compile("^Name: (kernel|hub|start.sh)")).count() == 0
    page.screenshot(path=SCREENSHOTS / "0-start.png")
    start.get_by_role("link", name="the report, reproduced", exact=True).click()
    notebook = page.locator(".jp-NotebookPanel:visible")
    expect(page.get_by_text("Rust | Idle")).to_be_visible(timeout=2 * MINUTES)
    assert page.get_by_text("Would you like to get notified").count() == 0
    page.screenshot(path=SCREENSHOTS / "1-opened.png")

    menu(page, "Run", "Run All Cells")
    path = stack.notebooks / NOTEBOOK
    before = path.stat().st_mtime
    code = run_and_saved(page, path)
    assert path.stat().st_mtime > before
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert path.stat().st_uid == OWNER
    for number, text in enumerate(["Training and validation", "The three side by side", "Which clothes does"], 2):
        show(page, notebook, text)
        page.screenshot(path=SCREENSHOTS / f"{number}-ran.png")
    # The picture below "The three side by side" is drawn, not an empty frame.
    show(page, notebook, "The three side by side")
    sizes = notebook.locator(".jp-OutputArea img:visible").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert sizes and min(sizes) > 300, sizes

    page.get_by_role("listitem", name=re.compile("^Name: accuracy.svg")).click(button="right")
    with page.expect_download() as download:
        menu(page, "Download")
    svg = ElementTree.parse(download.value.path()).getroot()
    texts = " ".join(svg.itertext())
    for name in ("1_Layer", "2_Layer", "3_layer"):
        assert f"{name}: accuracy" in texts, texts


def open_notebook(stack, page, name, cells):
    """A notebook of these cells, and nothing else, in the page."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "rust", "display_name": "Rust", "language": "rust"}
    content = {"type": "notebook", "format": "json", "content": notebook}
    stack.server.request("PUT", f"/api/contents/{name}.ipynb", json=content)
    page.goto(f"{stack.server.url}/lab/workspaces/{name}/tree/{name}.ipynb")
    expect(page.get_by_text("Rust | Idle")).to_be_visible(timeout=2 * MINUTES)


def test_a_page_loaded_anew_shows_the_training_again(stack, page):
    load = LOAD.replace("three_layer", "one_layer")
    open_notebook(stack, page, "reloaded", [load, FIT.replace("50", "500"), "model.history().epochs.len()"])
    menu(page, "Run", "Run All Cells")
    output = page.locator(".jp-NotebookPanel:visible .jp-OutputArea")
    expect(output.locator("progress")).to_be_visible(timeout=MINUTES)

    page.reload()
    expect(page.get_by_text("Rust | Busy")).to_be_visible(timeout=MINUTES)
    page.locator(".jp-NotebookPanel:visible .jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Control+Enter")
    expect(output.get_by_text("Waits for the cell that runs: let run = fit(")).to_be_visible(timeout=MINUTES)
    expect(output.locator("progress")).to_be_visible(timeout=MINUTES)
    bars = set()
    for _ in range(12):
        bars.add(output.locator(".jp-RenderedHTMLCommon:has(progress)").inner_text())
        page.wait_for_timeout(250)
    assert len(bars) > 3, bars
    page.screenshot(path=SCREENSHOTS / "7-reloaded.png")

    page.get_by_title("Interrupt the kernel").click()
    expect(output.get_by_text(re.compile(r"^\d+$"))).to_be_visible(timeout=MINUTES)  # the cell that waited has run
    expect(output.locator("progress")).to_have_count(0)
    expect(output.get_by_text("Waits for the cell")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "8-reloaded-and-stopped.png")


def test_watch_training_stop_it_and_go_on(stack, page):
    # A network whose epochs are short.
    cells = [LOAD.replace("three_layer", "one_layer"), FIT.replace("50", "500"), "evaluate(&model, &data.test)?", "model.history()"]
    open_notebook(stack, page, "watched", cells)
    menu(page, "Run", "Run All Cells")
    output = page.locator(".jp-NotebookPanel:visible .jp-OutputArea")
    expect(output.locator("progress")).to_be_visible(timeout=MINUTES)

    bars, curves = set(), set()
    for _ in range(20):
        bars.add(output.locator(".jp-RenderedHTMLCommon:has(progress)").inner_text())
        curves.add(output.locator(".jp-RenderedSVG").inner_html())
        page.wait_for_timeout(250)
    assert len(bars) > 5 and len(curves) > 3, (bars, len(curves))
    expect(page.get_by_text("Rust | Busy")).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "5-training.png")

    page.get_by_title("Interrupt the kernel").click()
    expect(output.get_by_text("Interrupted: the model keeps what it has learned")).to_be_visible(timeout=MINUTES)
    # The cells behind it run: the model is there, and has learned.
    expect(output.get_by_text(re.compile(r"^loss: 0\.\d+ - accuracy: 0\.\d+$"))).to_be_visible(timeout=MINUTES)
    expect(output.locator("table")).to_be_visible(timeout=MINUTES)
    page.screenshot(path=SCREENSHOTS / "6-stopped.png")
    page.keyboard.press("Control+s")
    path = stack.notebooks / "watched.ipynb"
    code = [cell for cell in nbformat.read(path, as_version=4).cells]
    while not code[-1].execution_count:
        page.wait_for_timeout(500)
        code = [cell for cell in nbformat.read(path, as_version=4).cells]
    assert [output.output_type for output in code[1].outputs] == ["display_data"] * 2
    assert "image/png" in code[1].outputs[1].data and "progress" not in str(code[1].outputs[0])


def run_and_saved(page, path):
    """The code cells, saved by Ctrl-S when all have been run: those that wait have no number."""
    expect(page.get_by_text("Rust | Busy")).to_be_visible(timeout=MINUTES)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(2000)
        code = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        if all(cell["execution_count"] for cell in code):
            return code
    raise TimeoutError("not all cells were run after 10 minutes")


def show(page, notebook, text):
    """Scrolls down to a heading, as a reader does: JupyterLab builds only the cells in view."""
    notebook.locator(".jp-WindowedPanel-outer").first.evaluate("it => it.scrollTo(0, 0)")
    heading = notebook.locator(".jp-MarkdownOutput").get_by_text(text).first
    for _ in range(100):
        if heading.count() and heading.is_visible():
            box = heading.bounding_box()
            if box and 0 < box["y"] < 300:
                break
        notebook.locator(".jp-WindowedPanel-outer").first.evaluate("it => it.scrollBy(0, 150)")
        page.wait_for_timeout(100)
    page.wait_for_timeout(1000)
