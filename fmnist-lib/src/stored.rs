//! Settings as files keep them.

/// For a setting that later versions have: a file that leaves it out is the same as one of before.
pub(crate) fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}
