//! Gradients added in an order that depends on nothing but the number of shards.

use std::ops::Range;

use fmnist_kernels::add;

use crate::train::processes::Peers;

/// Sums of shards that lie side by side. Two that have the same parent in a binary tree over all shards are added as
/// soon as both are there: whoever has which of them, a sum has the same bits.
#[derive(Default)]
pub(super) struct Sums(Vec<Sum>);

struct Sum {
    /// Shards `place << level` to `(place + 1) << level`.
    level: u32,
    place: usize,
    values: Vec<f32>,
}

impl Sums {
    /// Adds what lies behind all that is here: the sum of the shards from `place << level` on.
    pub(super) fn push(&mut self, level: u32, place: usize, values: Vec<f32>) {
        let mut sum = Sum {
            level,
            place,
            values,
        };
        while let Some(mut left) = self
            .0
            .pop_if(|left| left.level == sum.level && left.place ^ 1 == sum.place)
        {
            add(&mut left.values, &sum.values);
            sum = Sum {
                level: left.level + 1,
                place: left.place / 2,
                values: left.values,
            };
        }
        self.0.push(sum);
    }

    /// The sum of all shards: where they are no power of two, the few that are left are added from the right.
    fn total(self) -> Vec<f32> {
        let mut from_right = self.0.into_iter().rev().map(|sum| sum.values);
        let last = from_right.next().unwrap_or_default();
        from_right.fold(last, |right, mut left| {
            add(&mut left, &right);
            left
        })
    }

    /// The total over all processes, from the sums of each one's own shards. Each adds up a slice of all numbers, and
    /// hands it to the others.
    pub(super) fn over(self, peers: &dyn Peers, shards: usize) -> Vec<f32> {
        let size = peers.size();
        if size == 1 {
            return self.total();
        }
        let len = self.0.first().map_or(0, |sum| sum.values.len());
        let slice = len.div_ceil(size);
        let places: Vec<Vec<(u32, usize)>> = (0..size)
            .map(|rank| left_of(shards_of(rank, size, shards)))
            .collect();
        let width = places.iter().map(Vec::len).max().unwrap_or(0);
        let mut told = vec![0.0; size * width * slice];
        for (at, sum) in self.0.iter().enumerate() {
            for (rank, values) in sum.values.chunks(slice).enumerate() {
                told[(rank * width + at) * slice..][..values.len()].copy_from_slice(values);
            }
        }
        let heard = peers.all_to_all(&told);
        let mut sums = Self::default();
        for (rank, places) in places.iter().enumerate() {
            for (at, &(level, place)) in places.iter().enumerate() {
                sums.push(
                    level,
                    place,
                    heard[(rank * width + at) * slice..][..slice].to_vec(),
                );
            }
        }
        let mut total = peers.all_gather(&sums.total());
        total.truncate(len);
        total
    }
}

/// The shards of a process.
pub(super) fn shards_of(rank: usize, size: usize, shards: usize) -> Range<usize> {
    rank * shards / size..(rank + 1) * shards / size
}

/// Which sums a process is left with when its shards are added.
fn left_of(shards: Range<usize>) -> Vec<(u32, usize)> {
    let mut sums = Sums::default();
    shards.for_each(|shard| sums.push(0, shard, Vec::new()));
    sums.0.iter().map(|sum| (sum.level, sum.place)).collect()
}
