//! What a process does that follows another one.

use super::command::Command;
use super::peers::Peers;
use super::received::Received;
use super::team::Team;
use crate::data::shuffled;
use crate::error::{Error, Result};
use crate::nn::Step;
use crate::train::averaging::average;
use crate::train::batch::Batch;
use crate::train::epoch::{train_step, validate};

/// Takes part in all runs until the program of the process that leads is over.
pub(super) fn follow(peers: &'static dyn Peers) -> Result<()> {
    loop {
        match next(peers) {
            Command::Begin => follow_run(peers)?,
            Command::Leave => return Ok(()),
            Command::End | Command::Step { .. } | Command::Measure => {}
        }
    }
}

fn follow_run(peers: &'static dyn Peers) -> Result<()> {
    let Received {
        mut model,
        plan,
        train,
        validation,
    } = Received::from(peers)?;
    let (config, team) = (&plan.config, Team::of(peers));
    let (mut order, mut order_of) = (Vec::new(), 0);
    loop {
        match next(peers) {
            Command::Step { epoch, step, rate } => {
                if order_of != epoch {
                    (order, order_of) = (shuffled(train.len(), config.seed, epoch), epoch);
                }
                let first = (step - 1) * config.batch_size;
                let batch = Batch {
                    dataset: &train,
                    indices: &order[first..order.len().min(first + config.batch_size)],
                    epoch,
                };
                let step_of = Step {
                    seed: config.seed,
                    epoch,
                    step,
                };
                match train_step(&mut model, &batch, config, step_of, rate, &team) {
                    // The process that leads has found the same, and says what comes next.
                    Ok(_) | Err(Error::Diverged { .. }) => {}
                    Err(error) => return Err(error),
                }
                let steps = train.len().div_ceil(config.batch_size);
                average(&mut model, &plan, plan.epoch_of_run(epoch) * steps + step)?;
            }
            Command::Measure => {
                if let Some(validation) = &validation {
                    validate(&mut model, validation, config, &team)?;
                }
            }
            Command::End | Command::Leave | Command::Begin => return Ok(()),
        }
    }
}

fn next(peers: &dyn Peers) -> Command {
    serde_json::from_slice(&peers.hear()).expect("all processes are of one build")
}
