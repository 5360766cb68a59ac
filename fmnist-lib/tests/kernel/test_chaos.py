"""A kernel that gets random cells, Stops and kills: it answers after each, and what it says of losses is true.

FMNIST_CHAOS is how many (60), FMNIST_CHAOS_SEED which (random, and printed).
"""

import os
import random
import tempfile
import time
import unittest

import psutil
from kernel import Kernel

COUNT = int(os.environ.get("FMNIST_CHAOS", "60"))
SEED = int(os.environ.get("FMNIST_CHAOS_SEED", random.randrange(10**6)))
LOST = "All variables are lost"
FINE = [
    'println!("text");', 'print!("text without an end");', 'print!("\\rprogress"); std::io::Write::flush(&mut std::io::stdout())?;',
    'eprintln!("an error that is none");', "std::io::Write::write_all(&mut std::io::stdout(), &[0xff, 0, 10, 0xfe, 69, 86])?;",
    'for i in 0..20_000 { println!("line {i}"); }', "vec![1_u8; 1_000_000]", "1 + 1", ":vars", "// nothing", "",
    'std::thread::spawn(|| for i in 0..1000 { println!("{i}"); });',
    'std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(300)); print!("late"); });',
    "std::io::stdin().read_line(&mut String::new())?;", "#![allow(dead_code)]\nlet once = 1;",
    'println!("EVCXR_BEGIN_CONTENT text/html\\n<b>bold</b>\\nEVCXR_END_CONTENT");', "use std::fs;",
    'std::process::Command::new("sh").args(["-c", "echo shell; cat"]).status()?;',
]
WRONG = [
    'print!("before "); panic!("at the disco");', 'print!("before "); let n: i32 = "seven".parse()?;', "let f = |x: u8| x;",
    "no_such_name", "fn (", "let list: Vec<u8> = vec![]; println!(\"{}\", list[1]);", "let unknown = None;",
    'std::thread::spawn(|| panic!("in a thread")).join().unwrap();', "\"", ":no_such_command",
]
DEADLY = [
    "std::process::abort();", "std::process::exit(1);", 'print!("last words"); std::process::abort();',
    'std::process::Command::new("sh").args(["-c", &format!("kill -9 {}", std::process::id())]).status()?; loop {}',
]


class TestChaos(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.kernel = Kernel(self.folder.name, FMNIST_LIVE="1")
        self.addCleanup(lambda: self.kernel.close())
        self.variables, self.random = {}, random.Random(SEED)

    def test_chaos(self):
        print(f"FMNIST_CHAOS_SEED={SEED}")
        acts = [self.fine] * 8 + [self.wrong] * 4 + [self.define] * 4 + [self.stop, self.stop_quiet, self.deadly, self.kill_runtime,
                                                                        self.kill_relay, self.reload, self.impl, self.change_type]
        for number in range(COUNT):
            act = self.random.choice(acts)
            try:
                act()
                self.check()
            except Exception as error:
                error.add_note(f"act {number}, {act.__name__}, FMNIST_CHAOS_SEED={SEED}")
                raise

    def run_cell(self, code):
        result = self.kernel.run(code, allow_stdin=False, patience=120)
        if LOST in result.error:
            self.variables.clear()
        for words in ["EVCXR_", "__cell_"]:
            self.assertNotIn(words, result.everything(), code)
        return result

    def check(self):
        """The kernel answers, and knows the variables that it has not said to be lost, and no others."""
        self.assertIn("alive\n", self.run_cell('println!("alive");').expect().stdout)
        known = self.run_cell(":vars").expect().value or {}
        known = {line.split(":")[0] for line in known.get("text/plain", "").splitlines()}
        self.assertEqual({name for name in known if name.startswith("v")}, set(self.variables))
        if self.variables:
            name = self.random.choice(sorted(self.variables))
            self.assertIn(f"<{self.variables[name]}>\n", self.run_cell(f'println!("<{{}}>", {name});').expect().stdout)

    def fine(self):
        code = self.random.choice(FINE)
        self.assertEqual(self.run_cell(code).status, "ok", code)

    def wrong(self):
        code = self.random.choice(WRONG)
        self.assertEqual(self.run_cell(code).status, "error", code)

    def define(self):
        value = self.random.randrange(1000)
        name = f"v{value}"
        self.run_cell(f"let {name} = {value};").expect()
        self.variables[name] = value

    def deadly(self):
        result = self.run_cell(self.random.choice(DEADLY))
        self.assertIn(LOST, result.error)

    def stop(self):
        request = self.kernel.send('println!("now"); loop { std::hint::black_box(1); }')
        self.kernel.wait(request, until=lambda result: "now" in result.stdout, patience=120)
        self.kernel.interrupt()
        result = self.kernel.wait(request, patience=120)
        self.assertIn(LOST, result.error)
        self.variables.clear()

    def stop_quiet(self):
        """Where nothing runs, and while a cell is compiled."""
        self.kernel.interrupt()
        request = self.kernel.send("1 + 1")
        time.sleep(self.random.random() / 4)
        self.kernel.interrupt()
        result = self.kernel.wait(request, patience=120)
        if LOST in result.error:
            self.variables.clear()

    def runtime(self):
        relay = psutil.Process(self.kernel.manager.provisioner.pid)
        return next(one for one in relay.children(recursive=True) if "FMNIST_DISPLAY" in one.environ() and one.exe() == one.environ()["FMNIST_EVCXR"])

    def kill_runtime(self):
        """While no cell runs: the next one is told."""
        self.runtime().kill()
        result = self.run_cell("1 + 1")
        self.assertIn(LOST, result.error)

    def kill_relay(self):
        psutil.Process(self.kernel.manager.provisioner.pid).kill()
        self.kernel.close()
        self.kernel = Kernel(self.folder.name, FMNIST_LIVE="1")
        self.variables.clear()

    def reload(self):
        self.kernel.client.stop_channels()
        self.kernel.client = self.kernel.manager.client()
        self.kernel.client.start_channels()
        self.kernel.client.wait_for_ready(timeout=120)

    def impl(self):
        value = self.random.randrange(1000)
        self.run_cell(f"struct Chaos;\nimpl Chaos {{ fn value() -> u32 {{ {value} }} }}").expect()
        self.run_cell(f"impl Chaos {{ fn value() -> u32 {{ {value} + 1 }} }}").expect()
        self.assertIn(f"<{value + 1}>\n", self.run_cell('println!("<{}>", Chaos::value());').expect().stdout)

    def change_type(self):
        field = self.random.choice(["u8", "String", "Vec<u64>", "[u64; 9]"])
        self.run_cell(f"struct Changing {{ field: {field} }}").expect()
        self.run_cell("let changing = Changing { field: Default::default() };").expect()


if __name__ == "__main__":
    unittest.main()
