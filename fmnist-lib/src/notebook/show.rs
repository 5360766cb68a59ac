//! Values that have no `evcxr_display` of their own.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use candle_core::Tensor;

use crate::config::FitConfig;
use crate::data::{Dataset, TrainTest};
use crate::error::Error;
use crate::evaluate::{ConfusionMatrix, Evaluation};
use crate::model::{ModelSpec, Profile, Summary};
use crate::plot::Figure;
use crate::report::Comparison;
use crate::support::display::emit;
use crate::sweep::{SearchResults, SweepResults};
use crate::train::Run;

/// Shows the value with which a notebook cell ends; `use fmnist_lib::*` is enough.
///
/// A tensor shows values, shape and type; a [`Result`] of this crate shows what is in it, or the error, and `()`
/// nothing. Numbers, texts and collections show what evcxr shows of them: their `Debug` text. evcxr finds that out
/// by compiling the cell a second time. (It does so for all other types, to which other crates may give pictures.)
pub trait Show {
    /// Shows it as the value of a notebook cell.
    fn evcxr_display(&self);
}

impl Show for Tensor {
    fn evcxr_display(&self) {
        emit(&[("text/plain", &self.to_string())]);
    }
}

impl Show for () {
    fn evcxr_display(&self) {
        // So that a picture before it is not taken for the value of the cell.
        emit(&[("text/plain", "")]);
    }
}

impl<T: Debug + Any, E: Debug + Any> Show for std::result::Result<T, E> {
    fn evcxr_display(&self) {
        let shown = match self {
            Ok(value) => show_own(value),
            Err(error) => (error as &dyn Any)
                .downcast_ref::<Error>()
                .map(|error| emit(&[("text/plain", &format!("Error: {error}"))])),
        };
        shown.unwrap_or_else(|| show_debug(self));
    }
}

/// Shows a value that has a form of its own.
fn show_own(value: &dyn Any) -> Option<()> {
    fn show<T: 'static>(value: &dyn Any, show: impl FnOnce(&T)) -> Option<()> {
        value.downcast_ref::<T>().map(show)
    }
    show(value, <() as Show>::evcxr_display)
        .or_else(|| show(value, Tensor::evcxr_display))
        .or_else(|| show(value, Summary::evcxr_display))
        .or_else(|| show(value, Evaluation::evcxr_display))
        .or_else(|| show(value, Run::evcxr_display))
        .or_else(|| show(value, Figure::evcxr_display))
        .or_else(|| show(value, ConfusionMatrix::evcxr_display))
        .or_else(|| show(value, Profile::evcxr_display))
        .or_else(|| show(value, Comparison::evcxr_display))
        .or_else(|| show(value, SearchResults::evcxr_display))
        .or_else(|| show(value, SweepResults::evcxr_display))
        .or_else(|| show(value, Dataset::evcxr_display))
        .or_else(|| show(value, TrainTest::evcxr_display))
}

fn show_debug(value: &(impl Debug + ?Sized)) {
    emit(&[("text/plain", &format!("{value:?}"))]);
}

macro_rules! shown_by_debug {
    ($([$($generics:tt)*] $kind:ty),* $(,)?) => {
        $(impl<$($generics)*> Show for $kind {
            fn evcxr_display(&self) {
                show_debug(self);
            }
        })*
    };
}

shown_by_debug! {
    [] i8, [] i16, [] i32, [] i64, [] i128, [] isize, [] u8, [] u16, [] u32, [] u64, [] u128, [] usize,
    [] f32, [] f64, [] bool, [] char, [] str, [] String, [] Duration, [] ModelSpec, [] FitConfig,
    [T: Debug] Option<T>, [T: Debug] [T], [T: Debug, const N: usize] [T; N], [T: Debug] Vec<T>,
    [T: Debug] Range<T>, [T: Debug] RangeInclusive<T>, [A: Debug, B: Debug] (A, B),
    [A: Debug, B: Debug, C: Debug] (A, B, C), [K: Debug, V: Debug, S] HashMap<K, V, S>, [K: Debug, V: Debug] BTreeMap<K, V>,
}

#[cfg(test)]
mod tests {
    use super::{Show, show_own};
    use crate::error::{Error, Result};
    use crate::model::one_layer;

    #[test]
    fn a_result_shows_what_is_in_it() {
        assert!(show_own(&()).is_some());
        assert!(show_own(&7).is_none());
        let summary = one_layer().summary();
        assert!(summary.is_ok_and(|summary| show_own(&summary).is_some()));
    }

    /// The compiler finds one method for each, by value and by reference.
    #[test]
    fn values_of_many_types_have_the_method() {
        let error: Result<()> = Err(Error::Invalid("it cannot work".into()));
        error.evcxr_display();
        (1 + 1).evcxr_display();
        "text".evcxr_display();
        [1.5].first().evcxr_display();
        vec![("a", 1)].evcxr_display();
        one_layer().summary().evcxr_display();
    }
}
