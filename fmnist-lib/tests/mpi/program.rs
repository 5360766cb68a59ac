use std::env::{current_exe, var};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, process};

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    Augmentation, BatchNorm, Callback, Conv2d, Dense, Dropout, EarlyStopping, Error, FitConfig,
    Flatten, Layer, MaxPool2d, Model, ModelSpec, Mpi, Pass, Result, Schedule, StepRecord, Verbose,
    fit, fit_with, resume,
};

use super::{mpirun, striped};

const SCENARIO: &str = "FMNIST_TEST_SCENARIO";
const FOLDER: &str = "FMNIST_TEST_FOLDER";

/// Starts the program of this file, which does what `scenario` names and works in `folder`.
pub(crate) fn command(processes: usize, scenario: &str, folder: &Path) -> Command {
    let mut command = mpirun(processes, current_exe().unwrap());
    command
        .args(["program::program", "--exact", "--nocapture"])
        .env(SCENARIO, scenario)
        .env(FOLDER, folder);
    command
}

/// Batch normalisation behind convolutions and dense layers, and dropout.
pub(crate) fn spec() -> ModelSpec {
    ModelSpec::new("normalised")
        .layer("conv-1", Conv2d::new(8))
        .layer("norm-1", BatchNorm::new().momentum(0.8).relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("dropout-1", Dropout::new(0.2))
        .layer("conv-2", Conv2d::new(10).relu())
        .layer("norm-2", BatchNorm::new().momentum(0.8))
        .layer("flatten", Flatten)
        .layer("dense", Dense::new(12).relu())
        .layer("dropout-2", Dropout::new(0.3))
        .layer("output", Dense::new(10))
}

/// All that has a part in a step. Twelve shards, of batches of 50, 50 and 8 images.
pub(crate) fn config() -> FitConfig {
    FitConfig::default()
        .epochs(4)
        .batch_size(50)
        .shards(12)
        .augmentation(Augmentation::new().flip().shift(2).erase(0.5))
        .label_smoothing(0.1)
        .weight_decay(0.01)
        .l2(1e-4)
        .clip_norm(1.0)
        .ema_momentum(0.9)
        .schedule(Schedule::OneCycle { rise: 0.3 })
        .learning_rate(0.01)
        .early_stopping(EarlyStopping::after(2))
        .verbose(Verbose::Silent)
}

pub(crate) fn images() -> [fmnist_lib::Dataset; 2] {
    [striped(108, 1), striped(700, 2)]
}

pub(crate) fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// Trains from beginning to end; the checkpoint is what it leaves.
pub(crate) fn train(folder: &Path, callback: &mut dyn Callback) -> Result<Model> {
    let [train, validation] = images();
    let mut model = spec().build(1)?;
    let config = config().checkpoint(checkpoint(folder));
    fit_with(&mut model, &train, &validation, config, &mut [callback])?;
    Ok(model)
}

/// What happens behind the first step of the second epoch.
struct Then<F: FnMut()>(F);

impl<F: FnMut()> Callback for Then<F> {
    fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        if (record.epoch, record.step) == (2, 1) {
            self.0();
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Not a test of its own: the processes that the tests start run it, and do something.
#[test]
fn program() {
    let Ok(scenario) = var(SCENARIO) else { return };
    let folder = PathBuf::from(var(FOLDER).unwrap());
    let rank = var("OMPI_COMM_WORLD_RANK").unwrap();
    fs::write(
        folder.join(format!("process-{rank}")),
        process::id().to_string(),
    )
    .unwrap();
    let Some(_mpi) = Mpi::join().unwrap() else {
        return;
    };
    let send = |signal: &str, rank: &str| {
        let id = fs::read_to_string(folder.join(format!("process-{rank}"))).unwrap();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    };
    match scenario.split_once(' ').unwrap_or((&scenario, "")) {
        ("train", _) => {
            train(&folder, &mut Then(|| {})).unwrap();
        }
        ("resume", _) => {
            let [train, validation] = images();
            resume(checkpoint(&folder), &train, &validation).unwrap();
        }
        ("stop", rank) => {
            train(&folder, &mut Then(|| send("-INT", rank))).unwrap();
        }
        ("terminate", rank) => {
            train(&folder, &mut Then(|| send("-TERM", rank))).unwrap();
        }
        ("kill", rank) => {
            train(&folder, &mut Then(|| send("-KILL", rank))).unwrap();
        }
        ("panic", _) => {
            train(&folder, &mut Then(|| panic!("a mistake"))).unwrap();
        }
        ("mistakes", _) => mistakes(&folder),
        (other, _) => panic!("no scenario {other}"),
    }
    println!("the program is over");
}

/// Runs that are refused or fail, and one inside another: the processes go on to serve the next one.
fn mistakes(folder: &Path) {
    let [images, validation] = images();
    let plain = FitConfig::default().epochs(1).batch_size(50).shards(4);
    let uneven = plain.clone().shards(3);
    let uneven = fit(&mut spec().build(1).unwrap(), &images, None, uneven);
    println!("{}", uneven.unwrap_err());
    let own = ModelSpec::new("own")
        .custom("mine", Mine)
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let refused = fit(&mut own.build(1).unwrap(), &images, None, plain.clone());
    println!("{}", refused.unwrap_err());
    let diverged = plain.clone().learning_rate(1e30).epochs(3);
    let diverged = fit(&mut spec().build(1).unwrap(), &images, None, diverged);
    assert!(
        matches!(diverged, Err(Error::Diverged { .. })),
        "{diverged:?}"
    );
    let within = || {
        let mut other = spec().build(2).unwrap();
        let quiet = plain.clone().verbose(Verbose::Silent);
        fit(&mut other, &validation, None, quiet).unwrap();
    };
    train(folder, &mut Then(within)).unwrap();
}

#[derive(Debug)]
struct Mine;

impl Layer for Mine {
    fn kind(&self) -> &str {
        "Mine"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        Ok(input.clone())
    }
}
