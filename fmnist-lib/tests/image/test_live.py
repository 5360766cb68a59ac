"""Training in a notebook: what moves while a cell runs, Stop, restart, and what errors say."""

import re
import time

import pytest

LOAD = """:dep fmnist-lib = { path = "../fmnist-lib" }
use fmnist_lib::*;
use fmnist_lib::candle_core::{DType, Device, Tensor};
let data = FashionMnist::load()?;
let (train, validation) = Split::new(0.8, 1).apply(&data.train)?;
let mut model = three_layer().build(1)?;"""
FIT = "let run = fit(&mut model, &train, &validation, FitConfig::default().epochs(50))?;"
LOST = "All variables are lost. Functions and types are kept: run the cells that make the variables again."
EPOCHS = 'println!("{:?}", model.history().epochs.iter().map(|e| e.epoch).collect::<Vec<_>>());'
LOSSES = 'println!("{:?}", NAME.history().epochs.iter().map(|e| (e.loss, e.val_loss)).collect::<Vec<_>>());'


@pytest.fixture
def kernel(stack):
    with stack.server.kernel() as kernel:
        kernel.run(LOAD).expect()
        yield kernel


@pytest.fixture(scope="module")
def loaded(stack):
    with stack.server.kernel() as kernel:
        kernel.run(LOAD).expect()
        yield kernel


@pytest.fixture
def common(loaded):
    """A kernel for tests that leave it as it was."""
    loaded.reconnect()  # the server hangs up on who has not listened for a minute
    return loaded


def fit_until(kernel, seconds, code=FIT):
    """Starts training; returns the request when the bar has been there for so long."""
    request = kernel.send(code)
    kernel.wait(request, until=lambda so_far: so_far.shown)
    time.sleep(seconds)
    return request


def test_bar_and_curves_move_while_the_cell_runs(kernel):
    code = "let run = fit(&mut model, &train.take(20_000), &validation, FitConfig::default().epochs(2))?;"
    result = kernel.run(code).expect()
    outputs = {name: [(seconds, data) for seconds, id, data in result.shown if id == name]
               for name in {id for _, id, _ in result.shown}}
    assert len(outputs) == 2, "the bar and the curves replace themselves"
    for updates in outputs.values():
        times = [seconds for seconds, _ in updates]
        assert len({str(data) for _, data in updates}) == len(updates) > 4
        # They come all the while: the longest silence is that of a validation pass.
        assert max(b - a for a, b in zip([0, *times], [*times, result.seconds])) < result.seconds / 2, times
    last = [updates[-1][1] for updates in outputs.values()]
    bar, curves = sorted(last, key=lambda data: "image/png" in data)
    assert "All epochs are done." in bar["text/plain"] and len(bar["text/plain"].splitlines()) == 3
    assert curves["image/svg+xml"].startswith("<svg")
    assert not result.stdout and not result.stderr
    progress = next(iter(result.shown))[2]
    assert "<progress" in progress["text/html"]
    assert re.search(r"epoch 1/2 · step 1/40 · loss [\d.]+ · accuracy [\d.]+ · [\d,]+ images/s · \S+ left",
                     progress["text/plain"]), progress


def test_one_line_per_epoch_where_asked(common):
    code = "fit(&mut model, &train.take(2000), &validation.take(100), FitConfig::default().epochs(2).verbose(Verbose::Lines))?;"
    result = common.run(code).expect()
    assert not result.shown and result.stdout.count("Epoch ") == 2


def test_an_error_ends_the_bar(common):
    code = "fit(&mut one_layer().build(1)?, &train, None, FitConfig::default().learning_rate(1e30))?;"
    result = common.run(code)
    assert "training has diverged. Lower the learning rate" in result.error, result.error
    assert "progress" not in str([data for *_, data in result.shown][-2:])


def test_stop_ends_fit_and_keeps_everything(kernel):
    request = fit_until(kernel, 2)
    # A page that is loaded anew can press Stop as well.
    assert kernel.ask("kernel_info_request")["status"] == "ok"
    kernel.interrupt()
    result = kernel.wait(request).expect()
    assert "Interrupted" in result.shown[-2][2]["text/plain"] + result.shown[-1][2]["text/plain"]
    assert "Interrupted" in kernel.run('println!("{:?}", run.ended);').expect().stdout
    learned = kernel.run("evaluate(&model, &data.test)?").expect().data["text/plain"]
    assert float(learned.split()[-1]) > 0.3, learned
    before = kernel.run(EPOCHS).expect().stdout
    assert len(eval(before)) < 50, "all epochs were done before Stop was pressed"
    more = "fit(&mut model, &train.take(2000), None, FitConfig::default().epochs(1))?;"
    kernel.run(more).expect()
    after = kernel.run(EPOCHS).expect().stdout
    assert len(eval(after)) == len(eval(before)) + 1 and eval(after) == list(range(1, len(eval(after)) + 1))


def test_a_second_press_forces(kernel):
    """Stop waits for the end of a step. This one has none: the cell says so, and who cannot wait presses again."""
    code = """struct Endless;
        impl Callback for Endless {
            fn on_step_end(&mut self, _: &Model, _: &StepRecord) -> Result<std::ops::ControlFlow<()>> {
                println!("in a step");
                loop { std::thread::sleep(std::time::Duration::from_millis(10)); }
            }
        }
        let config = FitConfig::default().verbose(Verbose::Silent);
        fit_with(&mut model, &train.take(512), None, config, &mut [&mut Endless])?;"""
    request = kernel.send(code)
    kernel.wait(request, until=lambda so_far: "in a step" in so_far.stdout)
    kernel.interrupt()
    kernel.interrupt()
    kernel.wait(request, until=lambda so_far: "still runs" in so_far.stderr)
    kernel.interrupt()
    result = kernel.wait(request)
    assert result.status == "error"
    assert "Interrupted" in result.error and LOST in result.error, result.error


def test_stop_outside_of_fit_says_what_is_lost(kernel):
    request = kernel.send('println!("running"); loop { std::hint::black_box(1); }')
    kernel.wait(request, until=lambda result: "running" in result.stdout)
    kernel.interrupt()
    result = kernel.wait(request)
    assert result.status == "error"
    assert LOST in result.error, result.error
    assert "2" in kernel.run("1 + 1").expect().data["text/plain"]


def test_stop_while_compiling_loses_nothing(kernel):
    request = kernel.send(f"let _never = {' + '.join(['data.train.len()'] * 20)}; std::process::abort();")
    kernel.interrupt()
    result = kernel.wait(request)
    assert "Nothing of it was run, and nothing is lost." in result.error, result.error
    assert "60000" in kernel.run("data.train.len()").expect().data["text/plain"]


def test_restarted_in_the_middle_of_an_epoch(stack, kernel):
    """`resume` goes on from the checkpoint, to the very same end as a run that was not disturbed."""
    config = 'FitConfig::default().epochs(4).checkpoint("restarted.safetensors")'
    subset = "let train = train.take(10_000);"
    kernel.run(subset).expect()
    kernel.send(f"fit(&mut model, &train, &validation, {config})?;")
    while not (stack.notebooks / "restarted.safetensors").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    kernel.restart()
    kernel.run(LOAD).expect()
    kernel.run(subset).expect()
    kernel.run('let (resumed, _) = resume("restarted.safetensors", &train, &validation)?;').expect()
    kernel.run("fit(&mut model, &train, &validation, FitConfig::default().epochs(4))?;").expect()
    resumed, undisturbed = [kernel.run(LOSSES.replace("NAME", name)).expect().stdout for name in ("resumed", "model")]
    assert resumed == undisturbed and resumed.count("Some") == 4


@pytest.mark.parametrize("code, message", [
    ('let list: Vec<i32> = vec![1]; println!("{}", list[7]);', "Panic: index out of bounds: the len is 1 but the index is 7"),
    ('let number: i32 = "seven".parse()?;', "Error: invalid digit found in string"),
    ('let number: i32 = "seven";', "mismatched types"),
    ('\nlet number: i32 = "seven";', "2 │"),
    ("model.forward(&Tensor::zeros((2, 20, 20, 1), DType::F32, &Device::Cpu)?, None)?;", "28"),
    ("Dataset::new(vec![0; 784], vec![11])?;", "label 11 of image 0 is not one of the classes 0 to 9"),
    ('FashionMnist::load_from("nowhere")?;', "nowhere: there is no such folder"),
    (':dep fmnist-lib = { path = "../nowhere" }', '"../nowhere"'),
    ("let t = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?; t.matmul(&t)?;", "shape mismatch in matmul"),
    ("let (left, right) = Split::new(1.5, 1).apply(&data.train)?;", "between 0 and 1 (0.8 for 80:20), not 1.5"),
])
def test_an_error_says_what_was_wrong(common, code, message):
    result = common.run(code)
    assert result.status == "error"
    assert message in result.error, result.error
    assert len(result.error.splitlines()) < 15, result.error
    assert "stack backtrace" not in result.error + result.stderr
    common.run("train.len()").expect()


def test_the_process_of_the_cells_ends(kernel):
    result = kernel.run("std::process::abort();")
    assert "Died: the process that runs the cells has ended: signal: 6 (SIGABRT)" in result.error, result.error
    assert LOST in result.error, result.error


def test_the_library_is_not_there_yet(stack):
    (stack.notebooks / "elsewhere").mkdir(exist_ok=True)  # no kernel is kept ready for it
    with stack.server.kernel("elsewhere.ipynb", folder="elsewhere") as kernel:
        result = kernel.run("use fmnist_lib::FashionMnist;\nFashionMnist::load()?;")
        assert ':dep fmnist-lib = { workspace = true }' in result.error, result.error


def test_cells_behind_one_that_failed_are_not_run(kernel):
    """As after "Run All": all of them have been sent before the first one ends."""
    requests = [kernel.send(code) for code in ('panic!("at the disco");', 'println!("never");', "1 + 1")]
    assert [kernel.wait(one).status for one in requests] == ["error", "aborted", "aborted"]


def test_completion_and_documentation(common):
    code = "model.his"
    matches = common.ask("complete_request", code=code, cursor_pos=len(code))["matches"]
    assert any("history" in match for match in matches), matches
    for code, position, words in [
        ("let run = fit(&mut model, &train, &validation, FitConfig::default());", 11, "Trains model on train"),
        ("model.history()", 8, "All epochs this model has been trained for."),
        ("Split::new(0.8, 42)", 3, "Which images train and which validate."),
    ]:
        shown = common.ask("inspect_request", code=code, cursor_pos=position, detail_level=0)
        assert words in shown["data"]["text/plain"], shown


@pytest.mark.parametrize("code, kind, text", [
    ("model", "text/html", "1,421,194"),
    ("model.history()", "text/html", "val_accuracy"),
    ("data", "text/html", "Ankle boot"),
    ("train", "text/html", "48,000"),
    ("evaluate(&model, &data.test.take(100))?.confusion", "image/svg+xml", "predicted class"),
    ("Tensor::ones((2, 3), DType::F32, &Device::Cpu)?", "text/plain", "Tensor[[2, 3], f32]"),
    ("model.spec().summary()?", "text/plain", "Total params: 1,421,194"),
])
def test_values_show_themselves(common, code, kind, text):
    assert text in common.run(code).expect().data[kind]
