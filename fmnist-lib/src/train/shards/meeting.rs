//! Where the shards of a batch meet that are computed at the same time, in threads and processes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::nn::stage::Exchange;
use crate::train::processes::Peers;

/// The shards of this process, each in a thread; the last one to come asks the other processes.
pub(super) struct Meeting<'a> {
    peers: &'a dyn Peers,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    given: Vec<Option<Vec<f32>>>,
    /// What all shards gave the last time.
    all: Arc<Vec<Vec<f32>>>,
    /// How often they have met.
    times: usize,
    /// Whether a shard will not come any more.
    broken: bool,
}

/// The place of a shard in a meeting. Whoever is dropped with an error lets nobody wait.
pub(super) struct Seat<'a> {
    meeting: &'a Meeting<'a>,
    place: usize,
}

impl<'a> Meeting<'a> {
    pub(super) fn of(shards: usize, peers: &'a dyn Peers) -> Self {
        let state = State {
            given: vec![None; shards],
            all: Arc::default(),
            times: 0,
            broken: false,
        };
        Self {
            peers,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn seat(&'a self, place: usize) -> Seat<'a> {
        Seat {
            meeting: self,
            place,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat<'_> {
    /// Runs a shard to its end; where it fails, the others are told.
    pub(super) fn run<T>(self, shard: impl FnOnce(&dyn Exchange) -> Result<T>) -> Result<T> {
        let outcome = shard(&self);
        if outcome.is_ok() {
            std::mem::forget(self);
        }
        outcome
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.meeting.state().broken = true;
        self.meeting.changed.notify_all();
    }
}

impl Exchange for Seat<'_> {
    fn exchange(&self, own: Vec<f32>) -> Result<Arc<Vec<Vec<f32>>>> {
        let len = own.len();
        let mut state = self.meeting.state();
        let time = state.times;
        state.given[self.place] = Some(own);
        if state.given.iter().all(Option::is_some) {
            let given: Vec<Vec<f32>> = state.given.iter_mut().filter_map(Option::take).collect();
            let all = self.meeting.peers.all_gather(&given.concat());
            state.all = Arc::new(all.chunks(len).map(<[f32]>::to_vec).collect());
            state.times += 1;
            self.meeting.changed.notify_all();
        }
        while state.times == time && !state.broken {
            let waited = self.meeting.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.times == time {
            return Err(Error::Invalid(
                "another shard of the batch has failed".into(),
            ));
        }
        Ok(state.all.clone())
    }
}
