//! The gradients of a batch: at once, or shard by shard and perhaps in several processes.

mod meeting;
mod sum;

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use meeting::Meeting;
use sum::{Sums, shards_of};

use super::batch::Batch;
use super::processes::{Asked, Peers, Team};
use crate::config::FitConfig;
use crate::error::Result;
use crate::model::{Gradients, Model};
use crate::nn::Step;
use crate::nn::stage::Part;

/// Loss and gradients of a batch, of which each process computes its own shards.
pub(super) fn gradients(
    model: &Model,
    batch: &Batch<'_>,
    config: &FitConfig,
    step: Step,
    team: &Team,
) -> Result<Gradients> {
    if config.shards == 1 {
        return batch.gradients(Part::WHOLE, model, config, step);
    }
    let cut = Cut {
        model,
        batch,
        config,
        step,
        peers: team.peers(),
    };
    let own = shards_of(cut.peers.rank(), cut.peers.size(), config.shards);
    let computed = match model.measures_batches() {
        true => cut.together(own.clone()),
        false => own.clone().map(|shard| cut.shard(shard, |it| it)).collect(),
    };
    match computed {
        Ok(computed) => Ok(cut.total(own, computed, team)),
        // The other processes wait for this one, and hear of nothing but its end.
        Err(error) if cut.peers.size() > 1 => cut.peers.abort(&error.to_string()),
        Err(error) => Err(error),
    }
}

/// A batch that is cut into shards.
struct Cut<'a> {
    model: &'a Model,
    batch: &'a Batch<'a>,
    config: &'a FitConfig,
    step: Step,
    peers: &'a dyn Peers,
}

impl Cut<'_> {
    /// Which of the batch's images are those of a shard.
    fn images(&self, shard: usize) -> Range<usize> {
        let (images, shards) = (self.batch.indices.len(), self.config.shards);
        shard * images / shards..(shard + 1) * images / shards
    }

    fn share(&self, shard: usize) -> f32 {
        self.images(shard).len() as f32 / self.batch.indices.len() as f32
    }

    /// What a shard adds to the gradients. One without images takes the first of the batch, which then counts
    /// nothing: batch normalisation waits for all shards.
    fn shard<'a>(
        &self,
        shard: usize,
        part: impl FnOnce(Part<'a>) -> Part<'a>,
    ) -> Result<Gradients> {
        let images = Some(self.images(shard)).filter(|images| !images.is_empty());
        let batch = Batch {
            indices: &self.batch.indices[images.unwrap_or(0..1)],
            ..*self.batch
        };
        let part = part(Part {
            share: self.share(shard),
            others: None,
        });
        batch.gradients(part, self.model, self.config, self.step.of_shard(shard))
    }

    /// All shards at the same time, as they need to know of each other.
    fn together(&self, shards: Range<usize>) -> Result<Vec<Gradients>> {
        let meeting = Meeting::of(shards.len(), self.peers);
        let (meeting, first) = (&meeting, shards.start);
        thread::scope(|scope| {
            let of_shard = |shard: usize| {
                scope.spawn(move || {
                    meeting.seat(shard - first).run(|others| {
                        self.shard(shard, |part| Part {
                            others: Some(others),
                            ..part
                        })
                    })
                })
            };
            let threads: Vec<_> = shards.map(of_shard).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            let all: Vec<Result<Gradients>> = joined
                .map(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect();
            all.into_iter().collect()
        })
    }

    /// Those of the whole batch, in each process. All hear whether one of them was asked to stop.
    fn total(&self, own: Range<usize>, computed: Vec<Gradients>, team: &Team) -> Gradients {
        let stop = match team.asked() {
            Asked::Nothing => 0.0,
            Asked::ToStop => 1.0,
            Asked::ToEnd => 2.0,
        };
        let told = own.clone().zip(&computed).flat_map(|(shard, gradients)| {
            let correct = gradients.correct.map_or(-1.0, |correct| correct as f32);
            [self.share(shard), gradients.loss, correct, stop]
        });
        let heard = self.peers.all_gather(&told.collect::<Vec<f32>>());
        let (mut loss, mut correct) = (0.0, Some(0));
        for told in heard.chunks_exact(4) {
            team.hear(match told[3] {
                2.0 => Asked::ToEnd,
                1.0 => Asked::ToStop,
                _ => Asked::Nothing,
            });
            if told[0] > 0.0 {
                loss += f64::from(told[0]) * f64::from(told[1]);
                let more = Some(told[2] as usize).filter(|_| told[2] >= 0.0);
                correct = correct.zip(more).map(|(all, more)| all + more);
            }
        }
        let mut sums = Sums::default();
        let mut lens = Vec::new();
        let mut statistics = None;
        for (shard, gradients) in own.zip(computed) {
            let of_weights = &gradients.of_weights;
            lens = of_weights
                .iter()
                .map(|it| it.as_ref().map(Vec::len))
                .collect();
            sums.push(
                0,
                shard,
                of_weights.iter().flatten().flatten().copied().collect(),
            );
            statistics.get_or_insert(gradients.statistics);
        }
        let all = sums.over(self.peers, self.config.shards);
        let mut rest = all.as_slice();
        let of_weight = |len: Option<usize>| {
            let (values, behind) = rest.split_at(len?);
            rest = behind;
            Some(values.to_vec())
        };
        Gradients {
            loss: loss as f32,
            correct,
            of_weights: lens.into_iter().map(of_weight).collect(),
            // Each shard has measured the whole batch.
            statistics: statistics.expect("each process has a shard"),
        }
    }
}

#[cfg(test)]
mod tests;
