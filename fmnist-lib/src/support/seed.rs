//! One seed for everything random, without any generator state to carry around.
//!
//! Each use (the initialisation of one weight, the shuffle of one epoch, the dropout of one step)
//! gets a generator of its own, keyed by what it is for. Resuming a run therefore needs only the
//! seed and the epoch, and adding a layer does not change the weights of the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// What a generator is for; two different uses never share one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// The initial value of the named weight.
    Initialise(&'a str),
    /// The division into training and validation images.
    Split,
    /// The value of the named setting of a trial, at an attempt to find one that is not there yet.
    Setting {
        name: &'a str,
        trial: usize,
        attempt: usize,
    },
    /// The order of the training images in an epoch.
    Shuffle { epoch: usize },
    /// The seed of what one of the shards of a batch draws.
    Shard(usize),
    /// The changes of the training images in an epoch.
    Augment { epoch: usize },
    /// What the named layer draws in one step: what dropout drops.
    Layer {
        name: &'a str,
        epoch: usize,
        step: usize,
    },
}

/// The generator of `purpose` under `seed`.
pub(crate) fn generator(seed: u64, purpose: Purpose<'_>) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(key(seed, purpose))
}

/// The key of that generator.
pub(crate) fn key(seed: u64, purpose: Purpose<'_>) -> [u8; 32] {
    let (kind, name, epoch, step) = match purpose {
        Purpose::Initialise(name) => ("initialise", name, 0, 0),
        Purpose::Split => ("split", "", 0, 0),
        Purpose::Setting {
            name,
            trial,
            attempt,
        } => ("setting", name, trial, attempt),
        Purpose::Shuffle { epoch } => ("shuffle", "", epoch, 0),
        Purpose::Shard(shard) => ("shard", "", 0, shard),
        Purpose::Augment { epoch } => ("augment", "", epoch, 0),
        Purpose::Layer { name, epoch, step } => ("layer", name, epoch, step),
    };
    Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update((epoch as u64).to_le_bytes())
        .chain_update((step as u64).to_le_bytes())
        .chain_update(kind)
        .chain_update([0])
        .chain_update(name)
        .finalize()
        .into()
}
