//! A run of several processes, as one of them sees it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::command::Command;
use super::job::Job;
use super::peers::{Alone, Peers};
use super::peers_here;
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::support::interrupt::Interruptible;

/// Who trains a model together. The process with rank 0 leads: it says what comes next, and the others follow.
pub(crate) struct Team {
    peers: &'static dyn Peers,
    stop: Interruptible,
    /// Whether a process of the team was asked to stop.
    stopped: AtomicBool,
}

/// What a signal asks of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// The run, after the step.
    ToStop,
    /// The process, when it has saved the run.
    ToEnd,
}

/// Whether the processes train a model already: the ones that follow can do one thing at a time.
static BUSY: AtomicBool = AtomicBool::new(false);

impl Team {
    /// This process by itself. It computes the same bits.
    pub(crate) fn alone() -> Self {
        Self::of(&Alone)
    }

    /// One that follows.
    pub(super) fn of(peers: &'static dyn Peers) -> Self {
        Self {
            peers,
            stop: Interruptible::begin(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Has all processes of the job train `model`; this one leads. A `fit` that comes while they train another model,
    /// from a callback or a thread, has this process alone.
    pub(crate) fn lead(
        model: &Model,
        train: &Dataset,
        validation: Option<&Dataset>,
    ) -> Result<Self> {
        let peers = peers_here();
        if peers.size() == 1 || BUSY.swap(true, Ordering::Acquire) {
            return Ok(Self::alone());
        }
        let team = Self::of(peers);
        let job = Job::of(model, train, validation)?;
        team.tell(&Command::Begin);
        job.send(peers);
        Ok(team)
    }

    /// Says what comes next.
    pub(crate) fn tell(&self, command: &Command) {
        if self.peers.size() > 1 {
            self.peers.tell(&command.bytes());
        }
    }

    pub(crate) fn peers(&self) -> &'static dyn Peers {
        self.peers
    }

    /// What this process was asked to do.
    pub(crate) fn asked(&self) -> Asked {
        match self.stop.requested() {
            true if self.stop.is_terminated() => Asked::ToEnd,
            true => Asked::ToStop,
            false => Asked::Nothing,
        }
    }

    /// Notes what a process was asked to do.
    pub(crate) fn hear(&self, asked: Asked) {
        match asked {
            Asked::Nothing => {}
            Asked::ToStop => self.stopped.store(true, Ordering::Relaxed),
            Asked::ToEnd => self.stop.terminate(),
        }
    }

    /// Whether any of them was asked to stop or to end, up to the last step.
    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.requested() || self.stopped.load(Ordering::Relaxed)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if self.peers.size() > 1 && self.peers.rank() == 0 {
            self.tell(&Command::End);
            BUSY.store(false, Ordering::Release);
        }
    }
}

/// Refuses a run that the processes of this job cannot share.
pub(crate) fn check_shared(model: &Model, config: &FitConfig) -> Result<()> {
    let (size, shards) = (peers_here().size(), config.shards);
    if size == 1 {
        return Ok(());
    }
    let refuse = |problem: String| Err(Error::Invalid(problem));
    if shards % size != 0 {
        return refuse(format!(
            "{size} processes cannot share batches of {shards} shards evenly: FitConfig::shards({size}), or a multiple \
             of it, cuts each batch so that they can (`reproduce --shards {size}`). The result depends on the number of shards, not on that of \
             processes"
        ));
    }
    if !model.device().is_cpu() {
        return refuse(format!(
            "{size} processes train a model together on the CPU only: build it by ModelSpec::build"
        ));
    }
    let own = [
        (model.spec().own_layer()?, "layer"),
        (
            config.loss.is_own().then(|| format!("{:?}", config.loss)),
            "loss",
        ),
        (
            config
                .optimizer
                .is_own()
                .then(|| format!("{:?}", config.optimizer)),
            "optimizer",
        ),
    ];
    for (found, what) in own {
        if let Some(name) = found {
            return refuse(format!(
                "the {what} {name} is your own: its code cannot be sent to the other {}. Train this model in one process",
                if size > 2 { "processes" } else { "process" }
            ));
        }
    }
    Ok(())
}
