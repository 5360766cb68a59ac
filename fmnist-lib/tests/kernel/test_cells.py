"""What cells print, show, ask and define, in a real kernel: inputs that users of notebooks stumble over."""

import contextlib
import tempfile
import time
import unittest
from pathlib import Path
from queue import Empty

from kernel import Kernel

LOAD = """:dep fmnist-lib = { workspace = true }
use fmnist_lib::*;
use fmnist_lib::candle_core::{DType, Device, Tensor, Var};
use std::io::Write;
let data = Dataset::new((0..100 * PIXELS).map(|i| (i % 251) as u8).collect(), (0..100).map(|i| i % 10).collect())?;"""
FIGURE = """:dep plotters = { version = "0.3", default-features = false, features = ["evcxr", "all_series"] }
use plotters::prelude::*;
evcxr_figure((320, 240), |root| {
    let mut chart = ChartBuilder::on(&root).build_cartesian_2d(0f32..1f32, 0f32..1f32)?;
    chart.draw_series(LineSeries::new((0..10).map(|x| (x as f32 / 10.0, 0.5)), &RED))?;
    Ok(())
})"""
ALIVE = 'println!("{} images", data.len());'


class KernelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.kernel = Kernel(cls.folder.name, FMNIST_LIVE="1")
        cls.kernel.run(LOAD).expect()

    @classmethod
    def tearDownClass(cls):
        cls.kernel.close()
        cls.folder.cleanup()

    def tearDown(self):
        """Nothing has been lost, and no cell has another one's output."""
        result = self.kernel.run(ALIVE)
        if result.status != "ok":
            self.kernel.run(LOAD)
        self.assertEqual((result.stdout, result.stderr, result.error), ("100 images\n", "", ""))
        self.assertNotIn("EVCXR_", result.everything())

    def run_cell(self, code, **options):
        result = self.kernel.run(code, **options)
        self.assertNotIn("EVCXR_", result.everything())
        self.assertNotIn("__cell_", result.everything())
        return result


class TestText(KernelTest):
    """Section by section, stdout and stderr of cells."""

    def test_text_before_an_error(self):
        result = self.run_cell('print!("Loading ... "); FashionMnist::load_from("nowhere")?; println!("done");')
        self.assertEqual((result.stdout, result.status), ("Loading ... ", "error"))
        self.assertIn("nowhere: there is no such folder", result.error)

    def test_text_before_a_panic(self):
        result = self.run_cell('print!("Checking ... "); assert_eq!(data.len(), 1);')
        self.assertEqual(result.stdout, "Checking ... ")
        self.assertIn("Panic: assertion `left == right` failed", result.error)
        self.assertIn("100", result.error)

    def test_every_panic_is_told(self):
        result = self.run_cell('std::thread::spawn(|| panic!("the cause")).join().unwrap();')
        self.assertIn("Panic: called `Result::unwrap()`", result.error)
        self.assertIn("A thread had panicked before: the cause", result.error)

    def test_text_without_a_line_end(self):
        self.assertEqual(self.run_cell('print!("three, two, one");').stdout, "three, two, one")
        self.assertEqual(self.run_cell('print!("zero")').stdout, "zero")
        self.assertEqual(self.run_cell('for i in 0..3 { print!("{i} ") }').stdout, "0 1 2 ")

    def test_a_progress_line(self):
        result = self.run_cell('for step in 1..=20 { print!("\\rstep {step} of 20"); std::io::stdout().flush()?;\n'
                               "std::thread::sleep(std::time::Duration::from_millis(50)); };").expect()
        self.assertTrue(result.stdout.startswith("\rstep 1 of 20\rstep 2"))
        self.assertTrue(result.stdout.endswith("\rstep 20 of 20"))
        times = [seconds for seconds, kind, _ in result.messages if kind == "stream"]
        self.assertGreater(len(times), 4, "the line moves while the cell runs")

    def test_bytes_that_are_no_text(self):
        self.run_cell("std::io::stdout().write_all(&[0xff, 0xd8, 0, 10, 0xfe])?;").expect()
        self.assertEqual(self.run_cell('println!("grün 😀");').stdout, "grün 😀\n")

    def test_ten_thousand_lines(self):
        result = self.run_cell('for i in 0..10_000 { println!("line {i}"); }').expect()
        self.assertEqual(result.stdout.count("\n"), 10_000)
        self.assertTrue(result.stdout.endswith("line 9999\n"))
        streams = [kind for _, kind, _ in result.messages if kind == "stream"]
        self.assertLess(len(streams), 500, "a server drops what comes in more than a thousand messages a second")

    def test_more_than_a_page_can_show(self):
        result = self.run_cell('for i in 0..3_000_000 { println!("line {i:07}"); }').expect()
        self.assertLess(len(result.stdout), 21_000_000)
        self.assertRegex(result.stdout[-100:], r"\n\([\d,]+ more characters are not shown\)\n$")

    def test_stderr_that_never_rests(self):
        result = self.run_cell('for step in 0..60 { eprintln!("step {step}"); std::thread::sleep(std::time::Duration::from_millis(50)); };').expect()
        times = [seconds for seconds, kind, _ in result.messages if kind == "stream"]
        self.assertGreater(len(times), 5)
        self.assertIn("step 0\n", next(content for _, kind, content in result.messages if kind == "stream")["text"])
        self.assertEqual(result.stderr.count("\n"), 60)

    def test_a_thread_that_prints_after_its_cell(self):
        self.run_cell("let worker: std::thread::JoinHandle<()> = std::thread::spawn(|| {\n"
                      'for i in 0..50_000 { println!("line {i} of a job in the background"); } });').expect()
        time.sleep(5)
        self.assertEqual(self.run_cell('println!("finished: {}", worker.is_finished());').stdout.split("\n")[-2], "finished: true")
        self.run_cell('worker.join().expect("no panic");').expect()

    def test_a_panic_of_another_thread_is_told_and_is_no_error(self):
        result = self.run_cell('std::thread::spawn(|| panic!("in the background")).join().unwrap_err();').expect()
        self.assertEqual(result.stderr, "a thread panicked: in the background\n")
        self.assertLess(len(result.stderr.splitlines()), 3)

    def test_text_and_pictures_stay_in_their_order(self):
        result = self.run_cell('println!("before"); plot::image_grid(&data, 5, 1)?.evcxr_display(); println!("between");\n'
                               'plot::image_grid(&data, 3, 1)?.evcxr_display(); print!("after");').expect()
        kinds = [content.get("text", kind) for _, kind, content in result.messages if kind in ("stream", "display_data")]
        self.assertEqual(kinds, ["before\n", "display_data", "between\n", "display_data", "after"])

    def test_every_picture_is_shown(self):
        result = self.run_cell("for n in 1..4 { plot::image_grid(&data, n, 1)?.evcxr_display(); }").expect()
        self.assertEqual(len(result.pictures), 3)
        self.assertEqual(len({picture["image/svg+xml"] for picture in result.pictures}), 3)
        self.assertIn("image/svg+xml", self.run_cell("plot::image_grid(&data, 5, 1)?").value)

    def test_a_line_begun_before_fit(self):
        result = self.run_cell('print!("training ... "); let run = fit(&mut one_layer().build(1)?, &data, None, FitConfig::default().epochs(2))?;\n'
                               'println!("loss {:.2}", run.history.epochs[1].loss);').expect()
        self.assertTrue(result.live)
        self.assertRegex(result.stdout, r"\Atraining \.\.\. loss [\d.]+\n\Z")

    def test_a_long_value_is_cut(self):
        result = self.run_cell("vec![7_u8; 2_000_000]").expect()
        self.assertLess(len(result.value["text/plain"]), 600_000)
        self.assertRegex(result.value["text/plain"][-60:], r"\.\.\.\n\([\d,]+ more bytes are not shown\)$")

    def test_training_in_a_thread(self):
        self.run_cell("let part = data.clone();\nlet training: std::thread::JoinHandle<Run> = std::thread::spawn(move || {\n"
                      'let mut model = one_layer().build(1).expect("a model");\n'
                      'fit(&mut model, &part, None, FitConfig::default().epochs(200)).expect("a run") });').expect()
        time.sleep(8)
        self.assertIn("finished: true", self.run_cell('println!("finished: {}", training.is_finished());').stdout)
        self.run_cell('training.join().expect("no panic");').expect()


class TestReload(KernelTest):
    FIT = "let run = fit(&mut one_layer().build(1)?, &data, None, FitConfig::default().epochs(1_000_000))?;"

    def test_a_cell_of_a_page_loaded_anew_shows_what_it_waits_for(self):
        running = self.kernel.send("// For long.\n" + self.FIT)
        self.kernel.wait(running, until=lambda result: result.live)
        with self.kernel.another_page() as page:
            waiting = page.send('println!("{}", run.history.epochs.len() > 0);')
            watched = page.wait(waiting, until=lambda result: len(result.live) > 1)
            self.assertEqual(watched.stdout, "Waits for the cell that runs: // For long.\n")
            self.assertIn("epoch ", watched.live[0][1]["text/plain"])
            page.interrupt()
            result = page.wait(waiting).expect()
            kinds = [kind for _, kind, _ in result.messages]
            self.assertEqual(result.messages[kinds.index("clear_output")][2], {"wait": False})
            self.assertEqual(result.stdout, "true\n")

    def test_a_question_leaves_the_cell_running_that_runs(self):
        """By the last state that was told, a page shows whether there is something to stop."""
        running = self.kernel.send("std::thread::sleep(std::time::Duration::from_secs(4));")
        self.kernel.wait(running, until=lambda result: any(kind == "execute_input" for _, kind, _ in result.messages))
        client, states = self.kernel.client, []
        for kind in ("kernel_info_request", "comm_info_request", "history_request"):
            client.shell_channel.send(client.session.msg(kind, {}))
            client.get_shell_msg(timeout=60)
            with contextlib.suppress(Empty):
                while True:
                    message = client.get_iopub_msg(timeout=0.3)
                    states += [message["content"]["execution_state"]] if message["msg_type"] == "status" else []
            self.assertEqual(states[-1], "busy", kind)
        self.kernel.wait(running, until=lambda result: result.status)

    def test_impatience_loses_nothing(self):
        running = self.kernel.send(self.FIT)
        self.kernel.wait(running, until=lambda result: result.live)
        for _ in range(10):
            self.kernel.interrupt()
        self.kernel.wait(running).expect()
        for _ in range(3):
            self.kernel.interrupt()

    def test_a_cell_behind_one_that_fails_forgets_what_it_waited_for(self):
        running = self.kernel.send('println!("now"); std::thread::sleep(std::time::Duration::from_secs(3)); panic!("at the end");')
        self.kernel.wait(running, until=lambda result: "now" in result.stdout)
        with self.kernel.another_page() as page:
            result = page.run('println!("never");')
            self.assertEqual(result.status, "aborted")
            self.assertEqual([kind for _, kind, _ in result.messages if kind != "status"], ["stream", "clear_output"])

    def test_cells_of_one_page_wait_without_a_word(self):
        running = self.kernel.send("std::thread::sleep(std::time::Duration::from_secs(1));")
        result = self.kernel.run('println!("next");').expect()
        self.assertEqual(result.stdout, "next\n")


class TestInput(KernelTest):
    READ = 'let mut answer = String::new(); let bytes = std::io::stdin().read_line(&mut answer)?; println!("{bytes} bytes: {answer:?}");'

    def test_where_nobody_can_type(self):
        result = self.run_cell(self.READ, allow_stdin=False).expect()
        self.assertEqual(result.stdout, '0 bytes: ""\n')
        self.assertIn("There is no input here", result.stderr)

    def test_a_field_to_type_in(self):
        def type_in(kernel):
            if kernel.client.stdin_channel.msg_ready():
                kernel.client.get_stdin_msg(timeout=1)
                kernel.client.input("Ada 😀")

        request = self.kernel.send('print!("Your name? "); std::io::stdout().flush()?;\n' + self.READ, allow_stdin=True)
        result = self.kernel.wait(request, act=type_in).expect()
        self.assertEqual(result.stdout, 'Your name? 9 bytes: "Ada 😀\\n"\n')

    def test_stop_ends_the_input(self):
        request = self.kernel.send('println!("now"); ' + self.READ, allow_stdin=True)
        self.kernel.wait(request, until=lambda result: "now" in result.stdout)
        time.sleep(1)
        self.kernel.interrupt()
        self.assertIn("0 bytes", self.kernel.wait(request).expect().stdout)


class TestSource(KernelTest):
    """What evcxr makes of the source of a cell."""

    def test_a_closure(self):
        result = self.run_cell("let scaled = |pixel: u8| f32::from(pixel) / 255.0;")
        self.assertIn("`scaled` is a closure, which cannot be persisted", result.error)
        self.assertIn("braces", result.error)

    def test_a_type_that_is_not_known(self):
        self.assertIn("losses", self.run_cell("let mut losses = Vec::new();").error)

    def test_a_let_without_a_name(self):
        for code in ["let = 7;", "let mut = 7;", "let _one = 1; let = 2;"]:
            self.assertIn("expected", self.run_cell(code).error, code)

    def test_an_impl_changed_and_run_again(self):
        self.run_cell("#[derive(Debug)]\nstruct Damp;\ntrait Factor { fn factor(&self) -> u32; }").expect()
        for factor in [5, 25, 125]:
            self.run_cell(f"impl Factor for Damp {{\n    fn factor(&self) -> u32 {{ {factor} }}\n}}").expect()
            self.assertEqual(self.run_cell('println!("{}", Damp.factor());').expect().stdout, f"{factor}\n")
        self.run_cell("impl Damp { fn a(&self) -> u32 { 1 } }").expect()
        self.run_cell("impl Damp { fn b(&self) -> u32 { self.a() + 1 } }").expect()
        self.assertEqual(self.run_cell('println!("{}", Damp.b());').expect().stdout, "2\n")
        self.assertIn("mismatched types", self.run_cell('impl Damp { fn a(&self) -> u32 { "one" } }').error)
        self.assertEqual(self.run_cell('println!("{}", Damp.b());').expect().stdout, "2\n")
        self.assertEqual(self.run_cell("let damped = Damp.b();\ndamped").expect().value["text/plain"], "2")
        self.assertEqual(self.run_cell("struct Damp { by: u8 }\nlet damp = Damp { by: 3 };\ndamp.by").expect().value["text/plain"], "3")

    def test_a_type_changed_while_a_variable_lives(self):
        self.run_cell("#[derive(Debug)]\nstruct Setting { name: String, rate: u64 }").expect()
        self.run_cell('let setting = Setting { name: "first".to_string(), rate: 3 };\nlet settings = vec![Some(Setting { name: "second".to_string(), rate: 3 })];').expect()
        self.run_cell("#[derive(Debug)]\nstruct Setting { name: String, rate: u64 }").expect()
        self.assertIn("first", self.run_cell('println!("{setting:?}");').expect().stdout)
        result = self.run_cell("#[derive(Debug)]\nstruct Setting { name: String, rate: String }").expect()
        for name in ["setting", "settings"]:
            self.assertIn(f"The type of the variable {name} was redefined, so was lost.", result.stderr)
        self.assertIn("setting", self.run_cell('println!("{setting:?}");').error)

    def test_heads_of_cells(self):
        self.run_cell("#![allow(dead_code)]\nlet one = 1;").expect()
        self.run_cell("//! What this cell is about.\nlet two = one + 1;").expect()
        self.assertEqual(self.run_cell('println!("{two}");').expect().stdout, "2\n")

    def test_strings_are_left_as_they_are(self):
        result = self.run_cell('let text = "one\u2028two\x0cthree\u0085four";\nprintln!("{:?}", text.chars().map(|c| c as u32).filter(|c| *c < 32 || *c > 126).collect::<Vec<_>>());')
        self.assertEqual(result.expect().stdout, "[8232, 12, 133]\n")

    def test_lines_of_an_error_are_those_of_the_cell(self):
        result = self.run_cell("// one\nstruct Two;\nimpl Two { fn three() {} }\nlet four: u8 = \"five\";")
        self.assertIn("4 │", result.error)

    def test_variables_outlive_new_dependencies(self):
        self.run_cell("struct Own(u8);\nlet own = Own(1);\nlet tensor = Var::zeros(2, DType::F32, &Device::Cpu)?;").expect()
        self.run_cell(':dep itoa = "1"').expect()
        self.run_cell(FIGURE).expect()  # with other features of a crate than the library has it with
        shown = self.run_cell('println!("{} {:?}", own.0, tensor.id());').expect().stdout
        self.assertTrue(shown.startswith("1 TensorId"), shown)
        later = self.run_cell('let later = Var::zeros(2, DType::F32, &Device::Cpu)?; println!("{:?}", later.id());').expect()
        self.assertNotEqual(later.stdout.split()[-1], shown.split()[-1])

    def test_figures_of_plotters_itself(self):
        self.assertIn("<svg", self.run_cell(FIGURE).expect().value["text/html"])

    def test_what_is_compiled_for_a_notebook_is_named(self):
        result = self.run_cell(':dep fmnist-nothing = { path = "NOTHING" }'.replace("NOTHING", self.crate("nothing")))
        self.assertIn("compiled for this notebook: fmnist-nothing (", result.expect().live[-1][1]["text/plain"])
        self.assertEqual(len({id for id, _ in result.live}), 1)

    def test_a_second_candle_is_refused(self):
        result = self.run_cell(':dep candle-core = "0.11"')
        self.assertIn("Use fmnist_lib::candle_core", result.error)
        self.assertNotIn("STDOUT", result.error)
        self.run_cell(ALIVE).expect()

    def crate(self, name):
        """A crate of the user's own, without anything in it."""
        folder = Path(self.folder.name, name)
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "lib.rs").touch()
        (folder / "Cargo.toml").write_text(f'[package]\nname = "fmnist-{name}"\nversion = "1.0.0"\nedition = "2024"\n\n'
                                           "[features]\nmore = []\n")
        return str(folder)

    def test_a_variable_that_a_dependency_costs(self):
        path = self.crate("features")
        self.run_cell(f':dep fmnist-features = {{ path = "{path}" }}').expect()
        self.run_cell("struct Lost(u8);\nlet lost = Lost(1);").expect()
        said = self.run_cell(f':dep fmnist-features = {{ path = "{path}", features = ["more"] }}\nprintln!("loaded");').stderr
        self.assertIn("The variable lost is lost: the new dependency changes", said)

    def test_converters_know_by_what_to_colour_cells(self):
        self.assertEqual(self.ask("kernel_info_request")["language_info"]["pygments_lexer"], "rust")

    def ask(self, kind, **content):
        """The answer to a message on the shell channel."""
        client = self.kernel.client
        request = client.session.msg(kind, content)
        client.shell_channel.send(request)
        reply = client.get_shell_msg(timeout=60)
        self.assertEqual(reply["parent_header"]["msg_id"], request["header"]["msg_id"])
        return reply["content"]

    def test_what_vs_code_asks(self):
        """The messages of its Jupyter extension, in their order: on connecting, while somebody types, and for a cell."""
        self.assertEqual(self.ask("kernel_info_request")["language_info"]["file_extension"], ".rs")
        self.assertEqual(self.ask("comm_info_request")["comms"], {})
        self.assertEqual(self.ask("history_request", hist_access_type="tail", n=10)["history"], [])
        cell = {"store_history": True, "allow_stdin": True, "stop_on_error": False, "user_expressions": {}}
        self.run_cell("let word = String::from(\"shoe\");\nlet number = 7_u8;", **cell).expect()
        code = "println!(\"{}\", word.to_upp)"
        completed = self.ask("complete_request", code=code, cursor_pos=len(code) - 1)
        self.assertEqual(completed["matches"], ["to_uppercase()"])
        self.assertEqual(code[completed["cursor_start"]:completed["cursor_end"]], "to_upp")
        told = self.ask("inspect_request", code="word.len()", cursor_pos=6, detail_level=0)
        self.assertIn("length of this String", str(told["data"]))
        variables = self.run_cell(":vars", **cell).value
        for name, kind in (("word", "String"), ("number", "u8")):
            self.assertRegex(variables["text/plain"], rf"{name}: {kind}")
            self.assertRegex(variables["text/html"], rf"(?s){name}.*{kind}")

    def test_a_silent_cell_is_not_counted_and_shows_what_it_prints_alone(self):
        first = self.execution_count("1 + 1")
        silent = self.run_cell("println!(\"printed\"); 5", silent=True, store_history=False)
        self.assertEqual((silent.stdout, silent.value, silent.pictures), ("printed\n", None, []))
        self.assertEqual({kind for _, kind, _ in silent.messages}, {"status", "stream"})
        self.assertEqual(self.execution_count("2 + 2"), first + 1)

    def execution_count(self, code):
        result = self.run_cell(code).expect()
        return next(content["execution_count"] for _, kind, content in result.messages if kind == "execute_result")

    def test_our_names_appear_nowhere(self):
        self.run_cell("struct Named;\nimpl Named { fn name() -> u8 { 1 } }\nlet name = Named::name();").expect()
        self.assertNotIn("__", self.run_cell(":vars").value["text/plain"])
        matches = self.ask("complete_request", code="name;", cursor_pos=5)["matches"]
        self.assertIn("name", matches)
        self.assertFalse([one for one in matches if "cell" in one or "evcxr" in one.lower()], matches)


class TestEnds(unittest.TestCase):
    """Where the process of the cells ends, the next cell runs in another one, and what is said of losses is true."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.kernel = Kernel(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.kernel.close()
        cls.folder.cleanup()

    def test_ends(self):
        ends = ["std::process::abort();", "std::process::exit(3);", "fn deep(n: u64) -> u64 { if n == 0 { 0 } else { 1 + deep(n + 1) } }\ndeep(1)",
                'std::process::Command::new("sh").args(["-c", &format!("kill -9 {}", std::process::id())]).status()?; loop {}']
        for end in ends:
            with self.subTest(end):
                self.kernel.run("let lost = 7;\nfn kept() -> u32 { 7 }").expect()
                result = self.kernel.run('println!("last words");\n' + end)
                self.assertEqual(result.stdout, "last words\n")
                self.assertIn("Died: the process that runs the cells has ended", result.error)
                self.assertIn("All variables are lost. Functions and types are kept", result.error)
                self.assertIn("lost", self.kernel.run('println!("{lost}");').error)
                self.assertEqual(self.kernel.run('println!("{}", kept());').expect().stdout, "7\n")

    def test_what_a_process_died_of(self):
        for code, cause in [("fn deeper(n: u64) -> u64 { 1 + deeper(n + 1) }\ndeeper(1)", "called itself without end"),
                            ("let v: Vec<u8> = Vec::with_capacity(1 << 60); v.len()", "\nmemory allocation of 1152921504606846976 bytes failed")]:
            result = self.kernel.run(code)
            self.assertIn(cause, result.error)
            self.assertNotIn("stack backtrace", result.everything())

    def test_stop_of_a_cell_that_does_not_listen(self):
        request = self.kernel.send('let gone = 1;\nprint!("\\rbusy"); std::io::Write::flush(&mut std::io::stdout())?;\nloop { std::hint::black_box(1); }')
        self.kernel.wait(request, until=lambda result: "busy" in result.stdout)
        self.kernel.interrupt()
        result = self.kernel.wait(request)
        self.assertIn("Interrupted", result.error)
        self.assertEqual(self.kernel.run('println!("{}", 1 + 1);').expect().stdout, "2\n")


if __name__ == "__main__":
    unittest.main()
