"""What is put into a cell, and what of its definitions is known to the next."""

import unittest

from source import FLUSH, OURS, Sources


class TestSource(unittest.TestCase):
    def setUp(self):
        self.sources = Sources()

    def run_cell(self, code, head=0):
        cell = self.sources.prepare(code, head)
        self.sources.commit(cell)
        return cell

    def test_every_line_of_the_cell_is_left_as_it_is(self):
        code = ('// a comment\nlet text = "one\u2028two\x0cthree"; let more = r#"\nimpl A {}\n"#;\r\n'
                "/// documentation\n#[derive(Debug)]\nstruct A;\n\n// what it does\n#[rustfmt::skip]\nimpl A { fn a() {} }\n"
                "impl Drop for A { fn drop(&mut self) {} } let last = 1;\nlast")
        cell = self.run_cell(":dep itoa = \"1\"\n" + code, head=1)
        lines = cell.code.split("\n")
        for number in reversed(cell.inserted):
            self.assertIn(OURS, lines.pop(number - 1))
        self.assertEqual("\n".join(lines), ":dep itoa = \"1\"\n" + code)
        self.assertEqual(len(cell.inserted), 3)

    def test_a_macro_that_is_not_used_yet_is_no_warning(self):
        cell = self.run_cell("let a = 1;\n/// Twice.\nmacro_rules! twice { ($a:expr) => { $a + $a } }")
        allowed, doc = cell.code.split("\n")[-3:-1]
        self.assertTrue(allowed.startswith("#[allow(unused_macros)]") and doc == "/// Twice.", cell.code)

    def test_attributes_of_the_whole_cell_stay_in_front(self):
        self.assertTrue(self.run_cell("#![allow(dead_code)]\nlet a = 1;").code.startswith("#![allow(dead_code)]\n" + FLUSH))
        # There is no crate for it to describe.
        self.assertTrue(self.run_cell("//! What this is about.\nlet a = 1;").code.endswith("//  What this is about.\nlet a = 1;"))

    def test_only_cells_that_can_print_flush(self):
        for code in ["use std::fs;", "struct A;", "// nothing", "fn f() {}", "impl A {}", "mod a { pub fn b() {} }"]:
            self.assertNotIn(FLUSH, self.run_cell(code).code, code)
        for code in ["print!(\"a\");", "let a = 1;", "a", "for i in 0..3 {}", "use std::fs;\nf();", "println!(\"a\")"]:
            self.assertIn(FLUSH, self.run_cell(code).code, code)

    def test_cells_that_do_not_parse_are_passed_on(self):
        for code in ["let = ;", "impl {", "fn (", "\"", "}}}}", "'", "struct A {", "\0", "let s = \"é\u2029\""]:
            cell = self.run_cell(code)
            self.assertIn(code, cell.code)

    def test_an_impl_replaces_that_of_the_same_trait(self):
        first = self.run_cell("impl Layer for Damp { fn forward() { 1 } }")
        other = self.run_cell("impl Layer for Other { fn forward() { 1 } }")
        second = self.run_cell("impl Layer\n  for Damp\n{ fn forward() { 2 } fn more() {} }")
        self.assertEqual(first.impls[0].name, second.impls[0].name)
        self.assertNotEqual(first.impls[0].name, other.impls[0].name)

    def test_impls_of_a_type_that_define_other_things_stay_beside_each_other(self):
        first = self.run_cell("impl A { fn a() {} }")
        second = self.run_cell("impl A { fn b() {} }")
        self.assertNotEqual(first.impls[0].name, second.impls[0].name)
        both = self.run_cell("impl A { fn a() {} fn b() {} }")
        for one in [first, second]:
            self.assertEqual(both.code.count(f"const {one.impls[0].name}: () = ();"), 1)
        self.assertEqual(len(self.sources.impls), 1)

    def test_a_type_takes_along_the_impls_of_its_cell(self):
        first = self.run_cell("struct A;\nimpl Drop for A { fn drop(&mut self) {} }")
        again = self.run_cell("struct A { x: u8 }\nlet a = A { x: 1 };\na.x")
        self.assertTrue(again.code.endswith("\na.x"), "a value is the last thing in a cell")
        self.assertIn(f"const {first.impls[0].name}: () = ();", again.code)
        self.assertEqual(self.sources.impls, [])

    def test_a_cell_that_failed_defines_nothing(self):
        self.run_cell("struct A;\nimpl A { fn a() {} }")
        self.sources.prepare("impl A { fn a() { wrong } }\nstruct A { x: u8 }", 0)
        self.assertEqual(self.sources.impls[0].defines, {"a"})
        self.assertEqual(self.sources.types, {"A": "struct A;"})

    def test_types_that_mean_something_else(self):
        self.run_cell("const SIZE: usize = 3;\nstruct A { x: u8 }\nstruct B(Vec<A>);\nenum C { One([f32; SIZE]) }\ntype D = u8;")
        for code, names in [("struct A { x: u8 }", set()), ("struct  A\n{ x: u8 }", set()), ("struct New;", set()),
                            ("struct A { x: u16 }", {"A", "B"}), ("const SIZE: usize = 4;", {"SIZE", "C"}),
                            ("type D = u16;", {"D"}), ("enum C { Two }", {"C"})]:
            self.assertEqual(self.sources.redefined(self.sources.prepare(code, 0)), names, code)

    def test_what_shows_a_value(self):
        for code in ["a", "a.b()", "let a = 1;\na // and why", "if a { 1 } else { 2 }", "match a { _ => 1 }", "[1, 2]", "-1"]:
            self.assertTrue(self.run_cell(code).shows_value, code)
        for code in ["a;", "let a = 1;", "struct A;", "use a::b;", "fn f() {}", "", "// a", "for i in a {};", "a.b(); // c"]:
            self.assertFalse(self.run_cell(code).shows_value, code)


if __name__ == "__main__":
    unittest.main()
