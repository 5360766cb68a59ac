//! Processes that MPI has started and connects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use fmnist_kernels::Isa;
use mpi::environment::{Threading, Universe, initialize_with_threading, processor_name};
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::{CommunicatorCollectives, Root};

use super::command::Command;
use super::follow::follow;
use super::peers::Peers;
use crate::error::{Error, Result};

/// The processes that `mpirun`, or Slurm's `srun`, has started together.
///
/// ```no_run
/// use fmnist_lib::*;
///
/// fn main() -> Result<()> {
///     let Some(_mpi) = Mpi::join()? else { return Ok(()) };
///     let data = FashionMnist::load()?;
///     let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
///     let mut model = one_layer().build(42)?;
///     fit(&mut model, &train, &validation, FitConfig::default().shards(4))?;
///     println!("{}", evaluate(&model, &data.test)?);
///     Ok(())
/// }
/// ```
///
/// The first process goes on with the program, and is the only one that reads data, prints and writes files. The others
/// stay in [`join`](Self::join), where they compute their part of each `fit`, until the value that the first one got is
/// dropped.
#[must_use = "the other processes are sent home when this is dropped"]
pub struct Mpi {
    /// Its end is the end of MPI.
    _universe: Universe,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("size", &World.size()).finish()
    }
}

static JOINED: AtomicBool = AtomicBool::new(false);

/// Those that MPI connects with this process, while it does.
pub(super) fn joined() -> Option<&'static dyn Peers> {
    JOINED.load(Ordering::Acquire).then_some(&World)
}

impl Mpi {
    /// Meets the other processes; call it once, at the beginning of `main`. In the first process it returns at once,
    /// in the others when the first one has ended: with `None`, as nothing is left for them to do. A program that was
    /// started without `mpirun` is the first of one.
    ///
    /// An error or a panic of one of the others ends them all, and so does the death of a process. What the last
    /// [checkpoint](crate::FitConfig::checkpoint) holds is then there, and goes on with any number of processes.
    ///
    /// # Errors
    /// When MPI is in use already, or cannot serve a program with threads.
    pub fn join() -> Result<Option<Self>> {
        let begun = initialize_with_threading(Threading::Serialized);
        let (universe, threading) = begun.ok_or_else(|| {
            let problem = "MPI is in use already: call Mpi::join once, and leave MPI to it";
            Error::Invalid(problem.into())
        })?;
        if threading < Threading::Serialized {
            return Err(Error::Invalid(format!(
                "this MPI serves threads only as {threading:?}, but several threads of fmnist-lib call it one after the \
                 other (MPI_THREAD_SERIALIZED): take an MPI that was built with support of threads"
            )));
        }
        let mpi = Self {
            _universe: universe,
        };
        World.check_kin();
        if World.rank() == 0 {
            JOINED.store(true, Ordering::Release);
            return Ok(Some(mpi));
        }
        if let Err(error) = follow(&World) {
            World.abort(&error.to_string());
        }
        Ok(None)
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if thread::panicking() {
            World.abort("it has panicked");
        }
        if JOINED.swap(false, Ordering::AcqRel) {
            World.tell(&Command::Leave.bytes());
        }
    }
}

/// All processes of the job.
struct World;

/// For the words of the process that leads.
const WORDS: i32 = 1;
/// Bytes that are handed over at once: MPI counts in 31 bits.
const AT_ONCE: usize = 1 << 28;
/// A process that has heard nothing for so long is idle, and leaves the processor to others.
const PATIENCE: Duration = Duration::from_millis(20);
/// How often it listens then.
const NAP: Duration = Duration::from_micros(500);

fn world() -> SimpleCommunicator {
    SimpleCommunicator::world()
}

impl World {
    /// Ends processes that would not compute the same bits.
    fn check_kin(&self) {
        let of = format!(
            "fmnist-lib {} on {}",
            env!("CARGO_PKG_VERSION"),
            Isa::best().name()
        );
        let leader = String::from_utf8_lossy(&self.broadcast(of.clone().into_bytes())).into_owned();
        if leader != of {
            let name = processor_name().unwrap_or_default();
            self.abort(&format!(
                "{name} computes with {of}, but process 0 with {leader}, and bits would differ: start one program on \
                 machines of one kind"
            ));
        }
    }
}

impl Peers for World {
    fn rank(&self) -> usize {
        world().rank() as usize
    }

    fn size(&self) -> usize {
        world().size() as usize
    }

    fn tell(&self, words: &[u8]) {
        let world = world();
        for rank in 1..world.size() {
            world.process_at_rank(rank).send_with_tag(words, WORDS);
        }
    }

    fn hear(&self) -> Vec<u8> {
        let world = world();
        let leader = world.process_at_rank(0);
        let since = Instant::now();
        loop {
            if let Some(found) = leader.immediate_matched_probe_with_tag(WORDS) {
                return found.matched_receive_vec().0;
            }
            match since.elapsed() < PATIENCE {
                true => thread::yield_now(),
                false => thread::sleep(NAP),
            }
        }
    }

    fn broadcast(&self, of_leader: Vec<u8>) -> Vec<u8> {
        let world = world();
        let leader = world.process_at_rank(0);
        let (mut len, mut bytes) = (of_leader.len() as u64, of_leader);
        leader.broadcast_into(&mut len);
        bytes.resize(len as usize, 0);
        for part in bytes.chunks_mut(AT_ONCE) {
            leader.broadcast_into(part);
        }
        bytes
    }

    fn all_gather(&self, own: &[f32]) -> Vec<f32> {
        let world = world();
        let mut all = vec![0.0; own.len() * self.size()];
        world.all_gather_into(own, &mut all);
        all
    }

    fn all_to_all(&self, own: &[f32]) -> Vec<f32> {
        let mut heard = vec![0.0; own.len()];
        world().all_to_all_into(own, &mut heard);
        heard
    }

    fn abort(&self, why: &str) -> ! {
        eprintln!(
            "error: process {} of {}: {why}. All processes end; a run with a checkpoint goes on from it",
            self.rank(),
            self.size()
        );
        world().abort(1)
    }
}
