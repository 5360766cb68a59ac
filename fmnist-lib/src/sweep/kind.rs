//! What the progress of a sweep or a search counts.

use crate::support::table::counted;

/// What is counted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Run,
    /// What of a run is trained from one rung of a search to the next.
    Part,
}

impl Kind {
    /// `3 runs`.
    pub(super) fn counted(self, number: usize) -> String {
        match self {
            Self::Run => counted(number, "run"),
            Self::Part => format!("{} of runs", counted(number, "part")),
        }
    }

    /// `3 of 4`, or `part 3 of 4`.
    pub(super) fn number(self, number: usize, all: usize) -> String {
        match self {
            Self::Run => format!("{number} of {all}"),
            Self::Part => format!("part {number} of {all}"),
        }
    }
}
