#![allow(clippy::unwrap_used)]

use std::sync::{Barrier, Mutex};
use std::thread;

use super::super::batch::Batch;
use super::super::processes::{Peers, Team};
use super::gradients;
use super::sum::{Sums, shards_of};
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::model::{Gradients, ModelSpec, one_layer};
use crate::nn::stage::Part;
use crate::nn::{BatchNorm, Conv2d, Dense, Flatten, MaxPool2d, Step};

/// Processes that are threads.
struct Threads {
    given: Mutex<Vec<Vec<f32>>>,
    barrier: Barrier,
}

struct Process<'a> {
    threads: &'a Threads,
    rank: usize,
    size: usize,
}

impl Process<'_> {
    fn all(&self, own: &[f32]) -> Vec<Vec<f32>> {
        self.threads.given.lock().unwrap()[self.rank] = own.to_vec();
        self.threads.barrier.wait();
        let all = self.threads.given.lock().unwrap().clone();
        self.threads.barrier.wait();
        all
    }
}

impl Peers for Process<'_> {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[f32]) -> Vec<f32> {
        self.all(own).concat()
    }

    fn all_to_all(&self, own: &[f32]) -> Vec<f32> {
        let len = own.len() / self.size;
        let all = self.all(own);
        let piece = |of: &Vec<f32>| of[self.rank * len..][..len].to_vec();
        all.iter().flat_map(piece).collect()
    }
}

/// Numbers whose sum depends on the order in which they are added.
fn odd(shard: usize, at: usize) -> f32 {
    let bits = (shard * 31 + at * 17 + 1).wrapping_mul(2_654_435_761) as u32;
    f32::from_bits(0x3f00_0000 | bits >> 8) * 10_f32.powi((bits % 7) as i32 - 3)
}

#[test]
fn sums_have_the_same_bits_for_any_number_of_processes() {
    let values = |shard| (0..101).map(|at| odd(shard, at)).collect::<Vec<f32>>();
    for shards in [1, 2, 3, 4, 6, 7, 12, 20] {
        let total = |size: usize| -> Vec<Vec<u32>> {
            let threads = Threads {
                given: Mutex::new(vec![Vec::new(); size]),
                barrier: Barrier::new(size),
            };
            let of_rank = |rank| {
                let process = Process {
                    threads: &threads,
                    rank,
                    size,
                };
                let mut sums = Sums::default();
                shards_of(rank, size, shards).for_each(|it| sums.push(0, it, values(it)));
                let total = sums.over(&process, shards);
                total.into_iter().map(f32::to_bits).collect()
            };
            thread::scope(|scope| {
                let all: Vec<_> = (0..size)
                    .map(|rank| scope.spawn(move || of_rank(rank)))
                    .collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            })
        };
        let alone = total(1).remove(0);
        for (at, &bits) in alone.iter().enumerate() {
            let exact: f64 = (0..shards).map(|shard| f64::from(odd(shard, at))).sum();
            assert!((f64::from(f32::from_bits(bits)) / exact - 1.0).abs() < 1e-6);
        }
        for size in (2..=shards).filter(|size| shards % size == 0) {
            for of_process in total(size) {
                assert_eq!(of_process, alone, "{shards} shards, {size} processes");
            }
        }
    }
}

fn images(count: usize) -> Dataset {
    let pixel = |at: usize| (odd(at / 784, at % 784).to_bits() >> 9) as u8;
    let labels = (0..count).map(|at| (at * 7 % 10) as u8).collect();
    Dataset::new((0..count * 784).map(pixel).collect(), labels).unwrap()
}

fn compute(spec: &ModelSpec, images: &Dataset, shards: usize) -> Gradients {
    let indices: Vec<usize> = (0..images.len()).collect();
    let batch = Batch {
        dataset: images,
        indices: &indices,
        epoch: 1,
    };
    let config = FitConfig::default().shards(shards).label_smoothing(0.1);
    let step = Step {
        seed: 3,
        epoch: 1,
        step: 1,
    };
    let model = spec.build(5).unwrap();
    match shards {
        0 => batch.gradients(Part::WHOLE, &model, &config, step).unwrap(),
        _ => gradients(&model, &batch, &config, step, &Team::alone()).unwrap(),
    }
}

/// Batch normalisation included, which is over the whole batch. Twelve shards of eleven images: one has none.
#[test]
fn the_gradients_of_a_batch_in_shards_are_those_of_the_batch() {
    let normalised = ModelSpec::new("normalised")
        .layer("conv-1", Conv2d::new(5))
        .layer("norm-1", BatchNorm::new().relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("conv-2", Conv2d::new(7))
        .layer("norm-2", BatchNorm::new())
        .layer("flatten", Flatten)
        .layer("dense", Dense::new(9).relu())
        .layer("norm-3", BatchNorm::new())
        .layer("output", Dense::new(10));
    let plain = ModelSpec::new("plain")
        .layer("conv", Conv2d::new(8).relu())
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let images = images(11);
    for spec in [plain, normalised] {
        let whole = compute(&spec, &images, 0);
        assert_eq!(compute(&spec, &images, 1).of_weights, whole.of_weights);
        for shards in [2, 3, 12] {
            let found = compute(&spec, &images, shards);
            assert!((found.loss - whole.loss).abs() < 1e-5);
            assert_eq!(found.correct, whole.correct);
            for (at, (found, whole)) in found.of_weights.iter().zip(&whole.of_weights).enumerate() {
                let (Some(found), Some(whole)) = (found, whole) else {
                    assert_eq!(found, whole, "weight {at}");
                    continue;
                };
                // A bias before a normalisation has no gradient but rounding.
                let largest = whole
                    .iter()
                    .fold(0.05, |most: f32, value| most.max(value.abs()));
                let apart = found
                    .iter()
                    .zip(whole)
                    .map(|(found, whole)| (found - whole).abs());
                let apart = apart.fold(0.0, f32::max) / largest;
                let name = spec.name();
                assert!(
                    apart < 2e-4,
                    "{name}, {shards} shards, weight {at}: {apart}"
                );
            }
            let tensors = |of: &Gradients| -> Vec<Vec<f32>> {
                let tensors = of.statistics.0.iter();
                tensors.map(|it| it.to_vec1().unwrap()).collect()
            };
            for (found, whole) in tensors(&found).iter().zip(tensors(&whole)) {
                let apart = found
                    .iter()
                    .zip(whole)
                    .map(|(found, whole)| (found - whole).abs());
                assert!(apart.fold(0.0, f32::max) < 1e-5);
            }
        }
    }
}

#[test]
fn each_shard_drops_other_values() {
    let images = images(8);
    let twice = Dataset::new(images.images().repeat(2), images.labels().repeat(2)).unwrap();
    let whole = compute(&one_layer(), &images, 0);
    // Of the same images twice, both shards have the loss of all of them, but for what dropout does.
    let apart = compute(&one_layer(), &twice, 2);
    assert_ne!(whole.loss, apart.loss);
    assert_eq!(apart.loss, compute(&one_layer(), &twice, 2).loss);
    let step = Step {
        seed: 3,
        epoch: 1,
        step: 1,
    };
    assert_ne!(step.of_shard(0), step.of_shard(1));
}
