//! How many trials are trained for how long: successive halving and Hyperband.

use crate::error::{Error, Result};

/// How [`Sweep::search`](crate::Sweep::search) spends epochs on its trials.
///
/// | `factor: 3`, at most 27 epochs | trials × epochs |
/// |---|---|
/// | `SuccessiveHalving`, 27 trials | 27 × 1, the best 9 on to 3, the best 3 on to 9, the best on to 27 |
/// | `Hyperband`, 49 trials | 27 × 1, 9 × 3, 3 × 9, 1 × 27; 12 × 3, 4 × 9, 1 × 27; 6 × 9, 2 × 27; 4 × 27 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Trains all trials to the end.
    Full,
    /// Trains all trials for few epochs, the best 1/`factor` of them for `factor` times as many in all, and so on, until
    /// the best of all are trained to the end (Jamieson & Talwalkar, 2016; scikit-learn's `HalvingRandomSearchCV`).
    /// There are as many rungs as trials and epochs allow, so that the last one holds fewer than `factor` trials, where
    /// the epochs suffice.
    SuccessiveHalving {
        /// Of so many trials one goes on; 2 or more, 3 is usual.
        factor: usize,
    },
    /// Successive halvings that begin with fewer and fewer trials and more and more epochs, for nobody knows beforehand
    /// how soon a good trial can be told from a bad one (Li et al., 2018; Keras Tuner's `Hyperband`). It takes as many
    /// trials as [`hyperband_trials`](Self::hyperband_trials) says.
    Hyperband {
        /// Of so many trials one goes on; 2 or more, 3 is usual.
        factor: usize,
    },
}

/// A step of a successive halving: so many trials are trained until they have so many epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    pub(super) trials: usize,
    pub(super) epochs: usize,
}

impl Search {
    /// The number of trials that Hyperband takes of which none is trained for more than `epochs` epochs: 49 for 27
    /// epochs and a factor of 3.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `factor` is less than 2, or there are no epochs.
    pub fn hyperband_trials(epochs: usize, factor: usize) -> Result<usize> {
        let brackets = hyperband(epochs, factor)?;
        Ok(brackets.iter().map(|bracket| bracket[0].trials).sum())
    }

    /// The rungs of each halving, for so many trials of so many epochs.
    pub(super) fn brackets(self, trials: usize, epochs: usize) -> Result<Vec<Vec<Rung>>> {
        match self {
            Self::Full => Ok(vec![vec![Rung { trials, epochs }]]),
            Self::SuccessiveHalving { factor } => {
                check(epochs, factor)?;
                let most = |number: usize| number.checked_ilog(factor).unwrap_or(0);
                let halvings = most(epochs).min(most(trials));
                Ok(vec![bracket(halvings, trials, epochs, factor)])
            }
            Self::Hyperband { factor } => {
                let taken = Self::hyperband_trials(epochs, factor)?;
                if taken == trials {
                    return hyperband(epochs, factor);
                }
                Err(Error::Invalid(format!(
                    "Hyperband with at most {epochs} epochs and a factor of {factor} takes {taken} trials, not {trials}: \
                     draw Search::hyperband_trials({epochs}, {factor})? of them"
                )))
            }
        }
    }
}

/// Algorithm 1 of Li et al. (2018), the last halving being none.
fn hyperband(epochs: usize, factor: usize) -> Result<Vec<Vec<Rung>>> {
    check(epochs, factor)?;
    let most = epochs.ilog(factor);
    let bracket = |halvings: u32| {
        let trials = ((most as usize + 1) * factor.pow(halvings)).div_ceil(halvings as usize + 1);
        bracket(halvings, trials, epochs, factor)
    };
    Ok((0..=most).rev().map(bracket).collect())
}

/// Fractions of trials are left out; fractions of epochs are whole ones, as in Keras Tuner.
fn bracket(halvings: u32, trials: usize, epochs: usize, factor: usize) -> Vec<Rung> {
    let rung = |number: u32| Rung {
        trials: trials / factor.pow(number),
        epochs: epochs.div_ceil(factor.pow(halvings - number)),
    };
    (0..=halvings).map(rung).collect()
}

fn check(epochs: usize, factor: usize) -> Result<()> {
    match (epochs, factor) {
        (_, ..2) => Err(Error::Invalid(format!(
            "of {factor} trials one cannot be the best: the factor of a search is 2 or more (3 is usual)"
        ))),
        (0, _) => Err(Error::Invalid(
            "a search trains for 1 epoch or more, not 0".into(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Search;

    fn table(search: Search, trials: usize, epochs: usize) -> Vec<Vec<(usize, usize)>> {
        let brackets = search.brackets(trials, epochs).unwrap().into_iter();
        let pairs =
            |bracket: Vec<super::Rung>| bracket.iter().map(|r| (r.trials, r.epochs)).collect();
        brackets.map(pairs).collect()
    }

    /// Table 1 of Li et al. (2018): R = 81, η = 3.
    #[test]
    fn hyperband_has_the_rungs_of_the_paper() {
        assert_eq!(Search::hyperband_trials(81, 3).unwrap(), 143);
        assert_eq!(
            table(Search::Hyperband { factor: 3 }, 143, 81),
            [
                vec![(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
                vec![(34, 3), (11, 9), (3, 27), (1, 81)],
                vec![(15, 9), (5, 27), (1, 81)],
                vec![(8, 27), (2, 81)],
                vec![(5, 81)],
            ]
        );
    }

    #[test]
    fn a_halving_has_as_many_rungs_as_trials_and_epochs_allow() {
        let halving = |factor, trials, epochs| {
            table(Search::SuccessiveHalving { factor }, trials, epochs).remove(0)
        };
        assert_eq!(halving(3, 27, 27), [(27, 1), (9, 3), (3, 9), (1, 27)]);
        assert_eq!(halving(3, 10, 27), [(10, 3), (3, 9), (1, 27)]);
        assert_eq!(halving(2, 100, 4), [(100, 1), (50, 2), (25, 4)]);
        // The epochs of Keras Tuner: ceil(50 / 3^k).
        assert_eq!(halving(3, 30, 50), [(30, 2), (10, 6), (3, 17), (1, 50)]);
        assert_eq!(halving(3, 2, 50), [(2, 50)]);
        assert_eq!(table(Search::Full, 7, 5), [vec![(7, 5)]]);
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let refused = |search: Search, trials, epochs| {
            search.brackets(trials, epochs).unwrap_err().to_string()
        };
        assert!(refused(Search::SuccessiveHalving { factor: 1 }, 9, 9).contains("2 or more"));
        assert!(refused(Search::Hyperband { factor: 0 }, 9, 9).contains("2 or more"));
        assert!(refused(Search::Hyperband { factor: 3 }, 9, 0).contains("1 epoch or more"));
        let told = refused(Search::Hyperband { factor: 3 }, 20, 81);
        assert!(told.contains("takes 143 trials, not 20"), "{told}");
    }
}
