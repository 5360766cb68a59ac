"""streams.py between an evcxr and a runtime that are both played here."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from streams import FRAME

KERNEL = Path(sys.modules["streams"].__file__).parent
FAKE = Path(__file__).parent / "fake_runtime.py"
PATIENCE = 60  # seconds until a test gives up


class Evcxr:
    """What evcxr and the relay see of a runtime."""

    def __init__(self, folder):
        self.folder, self.cells = Path(folder), 0
        runtime = self.folder / "runtime"
        runtime.write_text(f"#!/bin/sh\nexec {sys.executable} -u {FAKE}\n")
        runtime.chmod(0o755)
        environment = {**os.environ, "EVCXR_IS_RUNTIME": "1", "FMNIST_EVCXR": str(runtime),
                       "FMNIST_STREAMS": str(self.folder)}
        self.process = subprocess.Popen([sys.executable, "-SE", str(KERNEL / "streams.py")], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.relay, self.held = self.connect(), b""
        self.started = json.loads(self.frame()[1])

    def connect(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            try:
                connection.connect(str(self.folder / "streams"))
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def frame(self):
        while True:
            if len(self.held) >= FRAME.size:
                kind, size = FRAME.unpack_from(self.held)
                if len(self.held) >= FRAME.size + size:
                    content = self.held[FRAME.size: FRAME.size + size]
                    self.held = self.held[FRAME.size + size:]
                    return kind, content
            more = self.relay.recv(1 << 16)
            if not more:
                return None, b""
            self.held += more

    def start(self, code):
        self.cells += 1
        path = self.folder / f"cell_{self.cells}.py"
        path.write_text(code)
        self.process.stdin.write(f"LOAD_AND_RUN {path} run_user_code_{self.cells}\n".encode())

    def until(self, *ends):
        """The frames up to one of these kinds, with neighbouring text joined."""
        frames = []
        while True:
            kind, content = self.frame()
            if kind in (b"o", b"e") and frames and frames[-1][0] == kind:
                content = frames.pop()[1] + content
            frames.append((kind, content))
            if kind in (*ends, None):
                return frames

    def run(self, code):
        self.start(code)
        return self.until(b"E")

    def said(self):
        """What evcxr has been told: nothing more comes within a moment."""
        said = b""
        while select.select([self.process.stdout], [], [], 0.2)[0]:
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                break
            said += more
        return said

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.relay.close()


class TestStreams(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.evcxr = Evcxr(folder.name)
        self.addCleanup(self.evcxr.close)

    def test_evcxr_gets_its_words_and_nothing_else(self):
        frames = self.evcxr.run("sys.stdout.buffer.write(b'\\rLoading ... \\xff\\x00EVCXR_ERROR_OCCURRED\\n')")
        self.assertEqual(frames, [(b"B", b""), (b"o", b"\rLoading ... \xff\x00"), (b"Q", b""), (b"E", b"")])
        self.assertEqual(self.evcxr.said(), b"EVCXR_ERROR_OCCURRED\nEVCXR_EXECUTION_COMPLETE\n")

    def test_an_error_comes_before_the_word_that_says_so(self):
        for _ in range(20):
            frames = self.evcxr.run("sys.stderr.write('what went wrong'); sys.stderr.flush();"
                                    "print('EVCXR_PANIC_NOTIFICATION', flush=True)")
            self.assertEqual(frames, [(b"B", b""), (b"e", b"what went wrong"), (b"P", b""), (b"E", b"")])

    def test_a_thread_prints_after_its_cell(self):
        self.evcxr.run("import threading, time\n"
                       "def job():\n"
                       "    time.sleep(0.3)\n"
                       "    for i in range(20000): print('line', i, 'of a job in the background')\n"
                       "    print('end', flush=True)\n"
                       "threading.Thread(target=job).start()")
        text = b""
        while not text.endswith(b"end\n"):
            kind, more = self.evcxr.frame()
            self.assertEqual(kind, b"o")
            text += more
        self.assertEqual(text.count(b"\n"), 20001)

    def test_values(self):
        frames = self.evcxr.run("print('EVCXR_BEGIN_CONTENT image/png\\nQQ==\\nEVCXR_END_CONTENT')")
        self.assertEqual(json.loads(frames[1][1]), {"mime": "image/png", "data": "QQ==", "left_out": 0})
        self.assertEqual(self.evcxr.said(), b"EVCXR_EXECUTION_COMPLETE\n")

    def test_what_is_shown_live_keeps_its_place_in_the_text(self):
        show = ("import os, socket\n"
                "def show(text):\n"
                "    sys.stdout.flush()\n"
                "    one = socket.socket(socket.AF_UNIX); one.connect(os.environ['FMNIST_DISPLAY'])\n"
                "    one.sendall(text + b'\\n'); assert one.recv(9) == b'\\n'; one.close()\n")
        frames = self.evcxr.run(show + "for i in range(3): print('before', i); show(b'{\"id\": %d}' % i)\nprint('after')")
        expected = [(b"o", b"before 0\n"), (b"D", b'{"id": 0}'), (b"o", b"before 1\n"), (b"D", b'{"id": 1}'),
                    (b"o", b"before 2\n"), (b"D", b'{"id": 2}'), (b"o", b"after\n")]
        self.assertEqual(frames, [(b"B", b""), *expected, (b"E", b"")])

    def test_a_line_of_input(self):
        self.evcxr.start("print(repr(sys.stdin.readline()))")
        self.assertEqual(self.evcxr.until(b"I")[-1][0], b"I")
        self.evcxr.relay.sendall("grün\n".encode())
        self.assertIn((b"o", "'grün\\n'\n".encode()), self.evcxr.until(b"E"))

    def test_the_end_of_the_input_ends_one_read_and_no_cell_more(self):
        for _ in range(5):
            self.evcxr.start("print(repr(os.read(0, 100)))" if self.evcxr.cells else "import os\nprint(repr(os.read(0, 100)))")
            self.assertEqual(self.evcxr.until(b"I")[-1][0], b"I")
            self.evcxr.relay.sendall(b"\x04")
            self.assertIn((b"o", b"b''\n"), self.evcxr.until(b"E"))
        self.assertEqual(self.evcxr.run("print('next')")[1], (b"o", b"next\n"))

    def test_a_runtime_that_is_slow_to_take_its_command_asks_for_nothing(self):
        """It waits for the command as a cell waits for input; the end of the input would end it."""
        runtime = self.evcxr.started["process"]
        self.evcxr.run("pass")
        self.until_state(runtime, "S")  # waiting, not yet on its way to it
        os.kill(runtime, signal.SIGSTOP)
        self.until_state(runtime, "T")
        self.evcxr.start("print('at last')")
        time.sleep(0.5)  # several looks at whether a cell waits
        os.kill(runtime, signal.SIGCONT)
        self.assertEqual(self.evcxr.until(b"E"), [(b"B", b""), (b"o", b"at last\n"), (b"E", b"")])

    def until_state(self, process, letter):
        deadline = time.monotonic() + PATIENCE
        while f"State:\t{letter}" not in Path(f"/proc/{process}/status").read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_a_program_that_a_cell_starts_reads(self):
        self.evcxr.start("import subprocess; subprocess.run(['sh', '-c', 'cat; echo end'])")
        self.assertEqual(self.evcxr.until(b"I")[-1][0], b"I")
        self.evcxr.relay.sendall(b"line\n")
        self.assertEqual(self.evcxr.until(b"I")[-2:], [(b"o", b"line\n"), (b"I", b"")])
        self.evcxr.relay.sendall(b"\x04")
        self.assertIn((b"o", b"end\n"), self.evcxr.until(b"E"))

    def test_evcxr_asks_for_input_itself(self):
        self.evcxr.start("print('EVCXR_INPUT_REQUEST:name?', flush=True); print('hello', sys.stdin.readline())")
        time.sleep(0.5)  # long enough to be noticed as waiting
        self.assertIn(b"EVCXR_INPUT_REQUEST:name?\n", self.evcxr.said())
        self.evcxr.process.stdin.write(b"world\n")
        frames = self.evcxr.until(b"E")
        self.assertNotIn(b"I", [kind for kind, _ in frames])
        self.assertIn(b"hello world", b"".join(content for _, content in frames))

    def test_the_end_of_the_runtime_is_that_of_the_wrapper(self):
        for code, status in [("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
                             ("import os; print('last words', flush=True); os.abort()", -signal.SIGABRT),
                             ("import os; os._exit(7)", 7)]:
            with self.subTest(code), tempfile.TemporaryDirectory() as folder:
                evcxr = Evcxr(folder)
                self.addCleanup(evcxr.close)
                evcxr.start(code)
                frames = evcxr.until(None)
                self.assertEqual((b"o", b"last words\n") in frames, "last words" in code)
                self.assertEqual(evcxr.process.wait(PATIENCE), status)

    def test_where_evcxr_goes_the_runtime_goes(self):
        self.evcxr.start("import time; print('busy', flush=True); time.sleep(1000)")
        self.evcxr.until(b"o")
        self.evcxr.process.stdin.close()
        self.evcxr.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while alive(self.evcxr.started["process"]):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_another_relay_may_come(self):
        self.evcxr.run("print(1)")
        self.evcxr.relay.close()
        self.evcxr.relay, self.evcxr.held = self.evcxr.connect(), b""
        self.assertEqual(json.loads(self.evcxr.frame()[1]), self.evcxr.started)
        self.assertEqual(self.evcxr.run("print(2)")[1], (b"o", b"2\n"))

    def test_a_slow_reader_loses_nothing(self):
        self.evcxr.start("print('x' * 5_000_000)")
        time.sleep(0.5)
        reader = threading.Thread(target=lambda: setattr(self, "frames", self.evcxr.until(b"E")))
        reader.start()
        reader.join(PATIENCE)
        self.assertEqual(len(self.frames[1][1]), 5_000_001)


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
