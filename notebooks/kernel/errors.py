"""What went wrong in a cell, in few words and with the remedy."""

import re

from interrupt import COMPILING
from source import OURS

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PANIC = re.compile(r"(?:^\n)?^thread '[^']*' (?:\(\d+\) )?panicked at (?P<place>\S+?):\d+:?\n(?P<message>.*?)\n?"
                   r"(?:^stack backtrace:\n.*?)?(?:^note: [^\n]*\n?)*(?=(?:^\n)?^thread '[^']*' [^\n]*panicked at|\Z)",
                   re.MULTILINE | re.DOTALL)
OF_A_CELL = "ctx/src/lib.rs:"  # where evcxr puts the cells: nothing that a reader knows
ALLOCATION = re.compile(r"^(memory allocation of \d+ bytes failed)\n.*", re.MULTILINE | re.DOTALL)
BACKTRACE = re.compile(r"^ +\d+: .*\n?|^ +at .*\n?", re.MULTILINE)  # of an error of Candle's
DIED = re.compile(r"(.*?)Subprocess terminated with status: (.*)", re.DOTALL)
LOST = "All variables are lost. Functions and types are kept: run the cells that make the variables again."
REDEFINED = re.compile(r"The type of the variable (\S+) was redefined, so was lost\.")
OTHER_TYPES = (r"The variable \1 is lost: the new dependency changes the features or the version of a crate that was there "
               r"before, and with it the types of this notebook. Load both in the first cell.")
# Cargo's, or build.py's.
UNPARSED = re.compile(r"^Compilation failed, but no parsable errors were found\. STDERR:\n(.*?)\s*STDOUT:.*", re.DOTALL)
LOAD = "Load the library first, in a cell above: :dep fmnist-lib = { workspace = true }"
HINTS = [
    (re.compile(r"unresolved.*`fmnist_lib`|can't find crate for `fmnist_lib`|No such file or directory.*fmnist-lib",
                re.DOTALL), LOAD),
    (re.compile("types differ in mutability"),
     "What is called here changes the value: write `&mut` in the place of `&`, as in `fit(&mut model, ...)`, and `let mut` "
     "where the variable is made."),
    # As Keras has them.
    (re.compile("no method named `(fit|finish|train_on_batch)` found for [^`]*`[^`]*Model`"),
     r"`\1` is a function here: `\1(&mut model, ...)`."),
    (re.compile("no method named `(evaluate|predict)` found for [^`]*`[^`]*Model`"),
     r"`\1` is a function here: `\1(&model, ...)`."),
    (re.compile("no method named `compile` found for [^`]*`[^`]*Model`"),
     "There is nothing to compile: optimizer, loss and learning rate are settings of `FitConfig`, which `fit` takes."),
    (re.compile("no method named `softmax` found"),
     "A network ends with its scores, without softmax: the loss and `predict` make probabilities of them."),
    (re.compile(r"`&(?:str|(?:\w+::)*String)` is not an iterator"),
     'Several names are wanted: write one as `["name"]`.'),
    (re.compile(r"(?:found for enum|on type|found) `(?:&|&mut )?(?:\w+::)*Result<"),
     "The value is still in a `Result`: write `?` behind the call that gives it, as in `build(42)?`."),
    # Such a text ends behind the cell, so that evcxr does not say where it begins.
    (re.compile("unterminated double quote string"),
     'A `"` in this cell has no partner: from there on, the editor shows code in the colour of text.'),
    (re.compile("unterminated block comment"),
     "A `/*` in this cell has no `*/`: from there on, the editor shows code in the colour of a comment."),
]


def of(cell, output, killed):
    """The content of Jupyter's `error` message for a cell that has ended; None where all went well.

    `killed` tells whether Stop has ended the process by force."""
    theirs = [error for error in cell.errors if OURS not in error["evalue"]]
    text = "\n".join("\n".join(error["traceback"]) or error["evalue"] for error in theirs)
    died = DIED.search(text)
    if died and (cell.stopped or killed):
        return error("Interrupted", "the cell's process was ended", LOST,
                     "What can be stopped without loss is the library's own work: fit, evaluate, predict.")
    if cell.stopped == COMPILING and text:
        return error("Interrupted", "the cell was still being compiled", "Nothing of it was run, and nothing is lost.")
    if died:
        return error("Died", f"the process that runs the cells has ended: {died[2]}", LOST, *cause(died[2], output))
    if unparsed := UNPARSED.match(text):
        return error("Error", unparsed[1].removeprefix("error: "))
    if text:
        plain = COLOUR.sub("", text)
        hints = ["\n" + found.expand(hint) for pattern, hint in HINTS if (found := pattern.search(plain))]
        return {"ename": "Error", "evalue": theirs[0]["evalue"],
                "traceback": as_written(text, cell).split("\n") + hints}
    if not (cell.panicked or cell.left):
        return None
    said = output.take_stderr()
    panics = list(PANIC.finditer(said)) if cell.panicked else []
    if panics:
        output.publish_text("stderr", said[: panics[0].start()])
        earlier = [f"A thread had panicked before{where(one)}: {one['message']}" for one in panics[:-1]]
        return error("Panic", panics[-1]["message"] + where(panics[-1]), *earlier)
    return error("Error", BACKTRACE.sub("", said).strip() or "the cell left through `?`")


def error(name, value, *more):
    return {"ename": name, "evalue": value, "traceback": [f"\x1b[31m{name}\x1b[0m: {value}", *more]}


def cause(status, output):
    """What a process that ended so will have died of."""
    said = short(output.take_stderr()).strip()
    if "SIGKILL" in status or "SIGSEGV" in status:
        output.publish_text("stderr", said)
    if "SIGKILL" in status:
        return ["Most likely it took more memory than there is: lower the batch size, or keep fewer models."]
    if "SIGSEGV" in status:
        return ["Most likely a function called itself without end, or a large array lay on the stack: put it into a `Vec`."]
    return [said] if said else []


def as_written(text, cell):
    """A compiler's message with the cell's own number, and its lines as the reader counts them."""
    inserted = cell.prepared.inserted

    def line(found):
        number = int(found[2])
        return f"{found[1]}{number - sum(one < number for one in inserted)}{found[3]}"

    # evcxr's position is that of its own code.
    text = re.sub(r"command_\d+:\d+:\d+", f"cell {cell.number}", text)
    text = re.sub(rf"^((?:\s|{COLOUR.pattern})*)(\d+)((?:\s|{COLOUR.pattern})*[│|])", line, text, flags=re.MULTILINE)
    return "\n".join(line for line in text.split("\n") if OURS not in COLOUR.sub("", line))


def start_of_panic(text):
    """Where a text has what may be the beginning of a panic's message, or of a process's last words."""
    found = re.search(r"(?:^\n)?^thread '|^memory allocation of ", text, re.MULTILINE)
    return found.start() if found else None


def short(text):
    """What was said on the way, without the functions that a panic or a failed allocation went through."""
    text = PANIC.sub(lambda panic: f"a thread panicked{where(panic)}: {panic['message']}\n", text)
    return ALLOCATION.sub(r"\1\n", text)


def with_reason(said):
    """What the process of the cells says of variables, where another set of dependencies has cost them."""
    return REDEFINED.sub(OTHER_TYPES, said)


def where(panic):
    return "" if OF_A_CELL in panic["place"] else f" at {panic['place']}"
