//! What the networks are trained on: Fashion-MNIST, or noise of the same shape.

use fmnist_lib::{CLASSES, Dataset, FashionMnist, PIXELS};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Result;

/// The 60,000 training images; noise where they are not to be had, since no kernel's speed depends
/// on what it computes with.
pub(crate) fn load() -> Result<Dataset> {
    match FashionMnist::load() {
        Ok(data) => Ok(data.train),
        Err(error) => {
            println!("Trained on noise, because Fashion-MNIST was not found: {error}\n");
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let labels = (0..60_000).map(|image| (image % CLASSES) as u8).collect();
            let mut images = vec![0; 60_000 * PIXELS];
            random.fill(images.as_mut_slice());
            Ok(Dataset::new(images, labels)?)
        }
    }
}
