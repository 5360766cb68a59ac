"""Reads the source of a cell, and puts into it what evcxr needs to do what the reader of the notebook expects.

- At its head, a value whose end flushes stdout: text without a line end then belongs to the cell that printed it.
- Before each `impl`, an item with a name. evcxr keeps an `impl` together with the named item before it, and
  replaces both when that name is defined again. So a cell with an `impl` can be changed and run again.
- Before each macro, an attribute: one that is not used yet would be named in every later cell's errors.
- Around a `let` without a name, braces: evcxr leaves such a statement out without a word, and the compiler then sees it.

Nothing of this changes what a line of the cell says, and each insertion is a line of its own. Also told here: which
types a cell defines anew. evcxr would hand it a variable of the old type as one of the new.
"""

import re
from dataclasses import dataclass, field

import tree_sitter_rust
from tree_sitter import Language, Parser

PARSER = Parser(Language(tree_sitter_rust.language()))
OURS = "__cell_"  # what the names of our own begin with
FLUSH = (f"let _ = &{{ #[allow(nonstandard_style)] struct {OURS}end; impl Drop for {OURS}end {{ fn drop(&mut self) "
         f"{{ let _ = std::io::Write::flush(&mut std::io::stdout()); }} }} {OURS}end }};")
COMMENTS = {"line_comment", "block_comment"}
BEFORE_ITEM = COMMENTS | {"attribute_item"}
TYPES = {"struct_item", "enum_item", "union_item", "type_item", "const_item"}
NAMED = TYPES | {"function_item", "trait_item", "mod_item", "static_item", "macro_definition"}
STATEMENTS = {"let_declaration", "empty_statement"}
NO_STATEMENT = NAMED | BEFORE_ITEM | {"impl_item", "use_declaration", "extern_crate_declaration",
                                      "inner_attribute_item", "foreign_mod_item"}


@dataclass
class Impl:
    """An `impl` of a cell: what it is for, what it defines, and the named item that it was written behind."""

    header: str
    defines: set
    of_trait: bool
    owner: str | None
    name: str = ""

    def replaces(self, other):
        return self.header == other.header and (self.of_trait or bool(self.defines & other.defines))


@dataclass
class Prepared:
    """A cell as evcxr gets it."""

    code: str
    inserted: list = field(default_factory=list)  # line numbers, from 1, in `code`
    impls: list = field(default_factory=list)
    dropped: list = field(default_factory=list)  # earlier ones, which this cell replaces
    types: dict = field(default_factory=dict)  # the text of each type and constant, by name
    shows_value: bool = False


class Sources:
    """What the cells of a kernel have defined so far."""

    def __init__(self):
        self.impls, self.types, self.count = [], {}, 0

    def prepare(self, code, head):
        """The cell with what is put into it behind its first `head` lines, which are commands."""
        lines = code.split("\n")
        commands, body = lines[:head], "\n".join(lines[head:])
        body = re.sub(r"\A((?:\s*//![^\n]*\n?)+)", lambda docs: docs[0].replace("//!", "// "), body)
        source = body.encode()
        nodes = PARSER.parse(source).root_node.children
        cell = Prepared("", shows_value=shows_value(nodes, source))
        head_of_body = start_of_cell(nodes, source)
        before = [(head_of_body, FLUSH)] if has_statement(nodes) else []
        owner = None
        for index, node in enumerate(nodes):
            if node.type in NAMED:
                owner = name_of(node)
                if node.type == "macro_definition":
                    before.append((start_of_item(nodes, index, source), f"#[allow(unused_macros)] // {OURS}"))
                if node.type in TYPES:
                    cell.types[owner] = squeezed(text_of(node))
            elif node.type == "impl_item":
                one = self.named(read_impl(node, owner), cell)
                before.append((start_of_item(nodes, index, source), marker(one.name)))
            elif node.type == "let_declaration" and not has_pattern(node):
                before += [(node.start_byte, "{"), (node.end_byte, "}")]
        self.find_dropped(cell)
        gone = {one.name for one in cell.dropped} - {one.name for one in cell.impls}
        before += [(head_of_body, marker(name)) for name in sorted(gone)]
        cell.code, cell.inserted = insert(source, before, head)
        cell.code = "\n".join([*commands, cell.code])
        return cell

    def named(self, one, cell):
        earlier = next((other for other in self.impls if one.replaces(other) and other not in cell.dropped), None)
        if earlier:
            cell.dropped.append(earlier)
            one.name = earlier.name
        else:
            self.count += 1
            one.name = f"{OURS}impl_{self.count}"
        cell.impls.append(one)
        return one

    def find_dropped(self, cell):
        """Those that this cell replaces as well: of the same type, or of a type that it defines again."""
        for other in self.impls:
            again = any(one.replaces(other) for one in cell.impls) or other.owner in cell.types
            if again and other not in cell.dropped:
                cell.dropped.append(other)

    def commit(self, cell):
        """The cell has run."""
        self.impls = [one for one in self.impls if one not in cell.dropped] + cell.impls
        self.types |= cell.types

    def redefined(self, cell):
        """The names of types that would mean something else to a variable of before."""
        names = {name for name, text in cell.types.items() if self.types.get(name, text) != text}
        texts = self.types | cell.types
        while more := {name for name, text in texts.items() if name not in names and mentions(text, names)}:
            names |= more
        return names


def mentions(text, names):
    return any(re.search(rf"\b{re.escape(name)}\b", text) for name in names)


def text_of(node):
    return node.text.decode(errors="replace")


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


def name_of(node):
    name = node.child_by_field_name("name")
    return text_of(name) if name else None


def read_impl(node, owner):
    body = node.child_by_field_name("body")
    header = node.text[: body.start_byte - node.start_byte] if body else node.text
    items = body.named_children if body else []
    return Impl(squeezed(header.decode(errors="replace")), {name_of(item) for item in items} - {None},
                node.child_by_field_name("trait") is not None, owner)


def marker(name):
    return f"#[allow(nonstandard_style)] const {name}: () = ();"


def has_pattern(let):
    """Whether a name or another pattern stands where one must: the parser takes what comes behind an error for one."""
    error = next((child for child in let.children if child.type == "ERROR"), None)
    pattern = let.child_by_field_name("pattern")
    return error is None or pattern is not None and error.start_byte > pattern.start_byte


def has_statement(nodes):
    return any(node.type not in NO_STATEMENT for node in nodes)


def shows_value(nodes, source):
    """Whether the cell ends with an expression, whose value evcxr shows."""
    nodes = [node for node in nodes if node.type not in COMMENTS]
    if not nodes or nodes[-1].type in NO_STATEMENT | STATEMENTS:
        return False
    return not source[: nodes[-1].end_byte].rstrip().endswith(b";")


def start_of_cell(nodes, source):
    """Behind the attributes of the whole cell."""
    ends = [node.end_byte for node in nodes if node.type == "inner_attribute_item"]
    return line_or(nodes, source, ends[-1]) if ends else 0


def line_or(nodes, source, end):
    """The next line's start or, where something stands behind `end` on its line, `end` itself."""
    line_end = source.find(b"\n", end)
    if line_end < 0 or source[end:line_end].strip():
        return end
    return line_end + 1


def start_of_item(nodes, index, source):
    """Before the attributes and the comments of an item."""
    while index and nodes[index - 1].type in BEFORE_ITEM and nodes[index - 1].end_point[0] >= nodes[index].start_point[0] - 1:
        index -= 1
    start = nodes[index].start_byte
    line = source.rfind(b"\n", 0, start) + 1
    return line if not source[line:start].strip() else start


def insert(source, before, head):
    """The source with a line for each insertion, and the numbers of these lines."""
    code, inserted, done = b"", [], 0
    for at, line in sorted(before, key=lambda one: one[0]):
        code += source[done:at]
        if code and not code.endswith(b"\n"):
            code += b"\n"
        inserted.append(head + code.count(b"\n") + 1)
        code += line.encode() + b"\n"
        done = at
    return (code + source[done:]).decode(), inserted


def commands(code):
    """How many lines of a cell are its leading commands (`:dep`); None where nothing else is there."""
    head = 0
    for number, line in enumerate(code.split("\n"), 1):
        if line.lstrip(" ").startswith((":", "!")):
            head = number
        elif line.strip() and not line.startswith("//"):
            return head
    return None
