"""What is made of a process's last words."""

import unittest
from types import SimpleNamespace

import errors

CELL = "\nthread 'main' (7) panicked at ctx/src/lib.rs:3:5:\n"
THREAD = "\nthread '<unnamed>' (8) panicked at /registry/rand-0.9/src/lib.rs:10:5:\n"
BACKTRACE = "stack backtrace:\n   0: rust_begin_unwind\n             at /rustc/library/std/src/panicking.rs:1:2\n"


class Output:
    def __init__(self, stderr):
        self.stderr, self.published = stderr, ""

    def take_stderr(self):
        return self.stderr

    def publish_text(self, name, text):
        self.published += text


def cell(**more):
    return SimpleNamespace(**{"errors": [], "stopped": None, "panicked": False, "left": False, **more})


def died(status, stderr="", killed=False, **more):
    text = f"Subprocess terminated with status: {status}"
    return "\n".join(errors.of(cell(errors=[{"evalue": "", "traceback": [text]}], **more), Output(stderr), killed)["traceback"])


class TestErrors(unittest.TestCase):
    def test_every_panic_of_a_cell_is_told(self):
        output = Output("said before\n" + THREAD + "first\nof two lines\n" + BACKTRACE + CELL.replace("main", "<unnamed>") + "second\n"
                        + CELL + "called `Result::unwrap()` on an `Err` value: Any { .. }\nnote: run with `RUST_BACKTRACE=1`\n")
        error = errors.of(cell(panicked=True), output, False)
        self.assertEqual(error["evalue"], "called `Result::unwrap()` on an `Err` value: Any { .. }")
        self.assertEqual(error["traceback"][1:], [
            "A thread had panicked before at /registry/rand-0.9/src/lib.rs:10: first\nof two lines",
            "A thread had panicked before: second"])
        self.assertEqual(output.published, "said before\n")

    def test_a_panic_that_is_no_error(self):
        self.assertEqual(errors.short("one\n" + THREAD + "first\n" + CELL + "second\n" + BACKTRACE),
                         "one\na thread panicked at /registry/rand-0.9/src/lib.rs:10: first\na thread panicked: second\n")

    def test_a_failed_allocation_without_its_backtrace(self):
        said = died("signal: 6 (SIGABRT)", "memory allocation of 1152921504606846976 bytes failed\n" + BACKTRACE)
        self.assertTrue(said.endswith("\nmemory allocation of 1152921504606846976 bytes failed"), said)

    def test_a_stack_that_overflowed(self):
        self.assertIn("called itself without end", died("signal: 11 (SIGSEGV) (core dumped)"))

    def test_a_process_that_stop_ended_has_not_run_out_of_memory(self):
        for known in [{"killed": True}, {"stopped": "running"}]:
            said = died("signal: 9 (SIGKILL)", **known)
            self.assertIn("Interrupted", said)
            self.assertNotIn("memory", said)
        self.assertIn("memory", died("signal: 9 (SIGKILL)"))

    def test_what_the_compiler_leaves_out_is_added(self):
        for said, hint in [("[E0765] Error: unterminated double quote string", '`"` in this cell has no partner'),
                           ("[E0308] Error: mismatched types\n types differ in mutability", "`fit(&mut model, ...)`"),
                           ("no method named `fit` found for mutable reference `&mut Model`", "function here: `fit(&mut model, ...)`"),
                           ("no method named `evaluate` found for struct `Model`", "function here: `evaluate(&model, ...)`"),
                           ("no method named `compile` found for struct `Model`", "`FitConfig`"),
                           ("no method named `softmax` found for struct `Dense`", "without softmax"),
                           ("`&str` is not an iterator", '`["name"]`'),
                           ("`&std::string::String` is not an iterator", '`["name"]`'),
                           ("no method named `fit` found for enum `Result<T, E>`", "write `?`"),
                           ("no field `train` on type `Result<fmnist_lib::TrainTest, fmnist_lib::Error>`", "write `?`"),
                           ("expected `&mut Model`, found `&mut Result<Model, Error>`", "write `?`")]:
            one = cell(errors=[{"evalue": "", "traceback": [said]}], number=1, prepared=SimpleNamespace(inserted=[]))
            self.assertIn(hint, "\n".join(errors.of(one, Output(""), False)["traceback"]))

    def test_words_of_cargo_itself(self):
        said = "Compilation failed, but no parsable errors were found. STDERR:\nerror: no such crate\n\nSTDOUT:\n"
        one = cell(errors=[{"evalue": said, "traceback": [said]}], number=1, prepared=SimpleNamespace(inserted=[]))
        self.assertEqual(errors.of(one, Output(""), False)["evalue"], "no such crate")

    def test_a_variable_that_a_dependency_cost(self):
        told = errors.with_reason("one\nThe type of the variable counter was redefined, so was lost.\ntwo")
        self.assertRegex(told, r"^one\nThe variable counter is lost: .* in the first cell.*\ntwo$")

    def test_the_last_words_of_a_process_that_was_killed_are_shown(self):
        output = Output("nearly there\n")
        errors.of(cell(errors=[{"evalue": "", "traceback": ["Subprocess terminated with status: signal: 9 (SIGKILL)"]}]), output, False)
        self.assertEqual(output.published, "nearly there")


if __name__ == "__main__":
    unittest.main()
