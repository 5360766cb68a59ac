//! When to end, and which weights to keep for it.

use super::averaging::best_guess;
use crate::error::Result;
use crate::history::History;
use crate::model::{Model, RunPlan};

/// The position of the best epoch of this run, and the number of epochs since.
fn best_of(history: &History, plan: &RunPlan) -> Option<(usize, usize)> {
    let stopping = plan.config.early_stopping?;
    let losses = history.epochs[plan.epochs_before..]
        .iter()
        .map(|record| record.val_loss);
    let mut best: Option<(usize, f32)> = None;
    let mut count = 0;
    for (index, loss) in losses.enumerate() {
        let loss = loss.unwrap_or(f32::NAN);
        if best.is_none_or(|(_, lowest)| loss < lowest - stopping.min_delta) {
            best = Some((index, loss));
        }
        count = index + 1;
    }
    best.map(|(index, _)| (index, count - 1 - index))
}

pub(super) fn stopped_early(model: &Model, plan: &RunPlan) -> bool {
    let patience = plan.config.early_stopping.map(|stopping| stopping.patience);
    best_of(&model.log.history, plan)
        .zip(patience)
        .is_some_and(|((_, since), patience)| since > 0 && since >= patience)
}

pub(super) fn keep_best(model: &mut Model, plan: &RunPlan) -> Result<()> {
    let is_best = best_of(&model.log.history, plan).is_some_and(|(_, since)| since == 0);
    if restores_best(plan) && is_best {
        let best = best_guess(model)?;
        model.log.best = Some(best);
    }
    Ok(())
}

pub(super) fn restore_best(model: &mut Model, plan: &RunPlan) -> Result<()> {
    let best = model.log.best.take();
    match best.filter(|_| restores_best(plan)) {
        Some(best) => model.set_weights(&best),
        None => Ok(()),
    }
}

fn restores_best(plan: &RunPlan) -> bool {
    plan.config
        .early_stopping
        .is_some_and(|stopping| stopping.restore_best)
}
