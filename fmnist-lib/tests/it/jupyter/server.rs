//! The server of the notebooks: who may use it, what a user may set. Its tests are in Python, as it is.
use crate::notebook;

#[test]
fn the_server_does_what_the_user_says() {
    notebook::python_tests("server");
}
