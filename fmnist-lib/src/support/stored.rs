//! Settings as files keep them.

use serde::Deserialize;

use crate::error::Error;

/// For a setting that later versions have: a file that leaves it out is the same as one of before.
pub(crate) fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

/// What a count was before there was a choice: one.
pub(crate) fn one() -> usize {
    1
}

/// Whether a count is as before there was a choice.
pub(crate) fn is_one(count: &usize) -> bool {
    *count == one()
}

/// In the place of a user's own loss or optimizer, of which a file holds the key alone.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Missing {
    pub(crate) key: Option<String>,
}

impl Missing {
    /// Why nothing can be trained without the code of `what`: "a loss".
    pub(crate) fn refused(&self, what: &str) -> Error {
        let key = self.key.as_deref();
        let name = key.map_or(String::new(), |key| format!(" ({key})"));
        Error::Invalid(format!(
            "the run was begun with {what} of your own{name}, and a file cannot hold its code: load the model, and \
             call `fit` for the epochs that are left, with your own in its configuration"
        ))
    }
}
