//! One run of several processes.

mod command;
#[cfg(feature = "mpi")]
mod follow;
mod job;
#[cfg(feature = "mpi")]
mod mpi;
mod peers;
#[cfg(feature = "mpi")]
mod received;
mod team;

pub(crate) use command::Command;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub(crate) use peers::Peers;
pub(crate) use team::{Asked, Team, check_shared};

/// Those that this process trains with.
fn peers_here() -> &'static dyn Peers {
    #[cfg(feature = "mpi")]
    if let Some(joined) = mpi::joined() {
        return joined;
    }
    &peers::Alone
}
