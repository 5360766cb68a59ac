use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    AnyLoss, AnyOptimizer, Conv2d, EarlyStopping, FitConfig, Loss, MeanSquaredError, Model,
    ModelSpec, Optimizer, Predictions, Result, Split, Sweep, SweepResults, Targets, TrainTest,
    Trial, Update, Verbose, evaluate, finish, fit, predict,
};

use crate::checkpoint::killed_in;
use crate::program;
use crate::striped;
use crate::sweep_results::{cell, with_own};
use crate::training::small;

pub(crate) fn data() -> TrainTest {
    TrainTest {
        train: striped(150, 1),
        test: striped(40, 2),
    }
}

pub(crate) fn config() -> FitConfig {
    let config = FitConfig::default().epochs(2).batch_size(30);
    config.verbose(Verbose::Silent)
}

fn sweep(folder: &Path) -> Sweep {
    sweep_that_says(folder, Verbose::Silent)
}

fn sweep_that_says(folder: &Path, verbose: Verbose) -> Sweep {
    let config = config().verbose(verbose);
    let faster = config.clone().learning_rate(0.01);
    Sweep::new(folder)
        .seeds(1..=2)
        .trial(Trial::of(small(), config))
        .trial(Trial::new("faster", small(), faster))
}

pub(crate) fn files(folder: &Path, extension: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(extension)).collect();
    names.sort();
    names
}

/// All but the times, which no two runs share.
fn comparable(results: &SweepResults) -> Vec<String> {
    let run = |run: &fmnist_lib::SweepRun| {
        let losses: Vec<f32> = run.history.epochs.iter().map(|r| r.loss).collect();
        format!("{} {} {losses:?} {:?}", run.trial, run.seed, run.validation)
    };
    results.runs().iter().map(run).collect()
}

#[test]
fn a_run_is_the_fit_that_its_seed_and_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let data = data();
    let results = sweep(folder.path()).test().run(&data).unwrap();
    let names = results.runs().iter().map(|r| (r.trial.as_str(), r.seed));
    let names: Vec<_> = names.collect();
    assert_eq!(
        names,
        [("small", 1), ("faster", 1), ("small", 2), ("faster", 2)]
    );
    let (train, validation) = Split::new(0.8, 2).apply(&data.train).unwrap();
    let mut model = small().build(2).unwrap();
    let by_hand = config().learning_rate(0.01).seed(2);
    fit(&mut model, &train, &validation, by_hand).unwrap();
    let run = &results.runs()[3];
    assert_eq!(run.validation, Some(evaluate(&model, &validation).unwrap()));
    assert_eq!(run.test, Some(evaluate(&model, &data.test).unwrap()));
    assert!(files(folder.path(), ".lock").is_empty());
    assert!(files(folder.path(), ".safetensors").is_empty());

    results.save_csv(folder.path().join("all.csv")).unwrap();
    let csv = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.starts_with("trial,seed,parameters,epochs,loss,"));
}

#[test]
fn what_lies_in_the_folder_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = sweep(folder.path()).run(&data()).unwrap();
    // Seconds and all: these are the files, not new runs.
    assert_eq!(sweep(folder.path()).run(&data()).unwrap(), first);
    assert_eq!(files(folder.path(), ".json").len(), 4);
    // Another setting, another seed, other data are other runs.
    sweep(folder.path()).seeds([3]).run(&data()).unwrap();
    let other = TrainTest {
        train: striped(150, 9),
        ..data()
    };
    sweep(folder.path()).run(&other).unwrap();
    assert_eq!(files(folder.path(), ".json").len(), 4 + 2 + 4);
}

#[test]
fn two_at_once_share_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [one, two] = std::thread::scope(|scope| {
        let start = || scope.spawn(|| sweep(path).run(&data()).unwrap());
        [start(), start()].map(|thread| thread.join().unwrap())
    });
    // The same seconds: each run was done once.
    assert_eq!(one, two);
    let alone = tempfile::tempdir().unwrap();
    let alone = sweep(alone.path()).run(&data()).unwrap();
    assert_eq!(comparable(&one), comparable(&alone));
}

/// Processes, one of which is killed in the middle of a run: the others do its work.
#[test]
fn what_a_killed_process_was_running_is_run_by_another() {
    if program::is_running() {
        return child();
    }
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        child_in(folder.path(), &[])
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    program::kill_when(start(), || !files(folder.path(), ".lock").is_empty());
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    assert_eq!(files(folder.path(), ".json").len(), 4);
    let together = sweep(folder.path()).run(&data()).unwrap();
    let alone = tempfile::tempdir().unwrap();
    let alone = sweep(alone.path()).run(&data()).unwrap();
    assert_eq!(comparable(&together), comparable(&alone));
}

/// A program that runs the sweep in the folder that it is told.
fn child() {
    let set = |name| env::var_os(name).is_some();
    let verbose = match set("SWEEP_LINES") {
        true => Verbose::Lines,
        false => Verbose::Silent,
    };
    let sweep = sweep_that_says(Path::new(&env::var_os("SWEEP_FOLDER").unwrap()), verbose);
    let sweep = if set("SWEEP_TEST") {
        sweep.test()
    } else {
        sweep
    };
    let own = with_own(cell::first::Scaled(None), config().verbose(verbose));
    let sweep = if set("SWEEP_OWN") {
        sweep.trial(own)
    } else {
        sweep
    };
    sweep.run(&data()).unwrap();
}

fn child_in(folder: &Path, variables: &[&str]) -> Command {
    let mut child = program::command("sweep::what_a_killed_process_was_running_is_run_by_another");
    child
        .env("SWEEP_FOLDER", folder)
        .envs(variables.iter().map(|name| (name, "1")));
    child
}

#[test]
fn a_sweep_says_what_it_does_unless_it_is_to_be_silent() {
    let said = |folder: &Path, variables: &[&str]| {
        let output = child_in(folder, variables).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    for (silent, is_silent) in [("", true), ("SWEEP_LINES", false)] {
        let folder = tempfile::tempdir().unwrap();
        let says = |variables: &[&str], what: &str| {
            let variables: Vec<&str> = variables.iter().chain([&silent]).copied().collect();
            let variables: Vec<&str> = variables.into_iter().filter(|v| !v.is_empty()).collect();
            let said = said(folder.path(), &variables);
            assert_eq!(said.contains(what), !is_silent, "{variables:?}: {said}");
            assert_eq!(said.contains("seed"), !is_silent, "{variables:?}: {said}");
            said
        };
        says(&[], "faster, seed 2 (4 of 4): validation");
        says(
            &["SWEEP_TEST"],
            "faster, seed 2: its result is there without its accuracy on the test images, but its network was not kept",
        );
        let own = says(
            &["SWEEP_TEST", "SWEEP_OWN"],
            "own, seed 1: layer scaled is your own and has no key",
        );
        // Once for all seeds.
        assert_eq!(
            own.matches("has no key").count(),
            usize::from(!is_silent),
            "{own}"
        );
    }
}

/// As in `reproduce | head -3`.
#[test]
fn a_reader_who_leaves_ends_no_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child_in(folder.path(), &["SWEEP_LINES"]);
    let mut child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // `running 1 test` and its like are the test harness's, which takes a closed pipe ill.
    let first = lines
        .map(Result::unwrap)
        .find(|line| line.contains("(1 of 4)"));
    assert!(first.is_some());
    child.wait().unwrap();
    assert_eq!(files(folder.path(), ".json").len(), 4);
}

#[test]
fn an_interrupted_run_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let whole = sweep(folder.path()).run(&data()).unwrap();
    let result = &files(folder.path(), ".json")[0];
    let path = folder.path().join(result);
    let run = &whole.runs()[1];
    assert!(result.starts_with("faster-seed1-"), "{result}");
    fs::remove_file(&path).unwrap();
    // As it was after the first of the two epochs.
    let (train, validation) = Split::new(0.8, 1).apply(&data().train).unwrap();
    let checkpoint = path.with_extension("safetensors");
    let config = config().learning_rate(0.01).seed(1).checkpoint(&checkpoint);
    killed_in(2, config, &train, &validation);
    let first_epoch = Model::load(&checkpoint).unwrap().history().epochs[0].clone();
    let resumed = sweep(folder.path()).run(&data()).unwrap();
    assert_eq!(comparable(&resumed), comparable(&whole));
    assert_eq!(resumed.runs()[1].history.epochs[0], first_epoch);
    assert_ne!(&resumed.runs()[1].history, &run.history);
}

/// The squared error, under a name.
#[derive(Debug)]
struct Named(&'static str);

impl Loss for Named {
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        MeanSquaredError::new().of_batch(outputs, targets)
    }

    fn key(&self) -> Option<String> {
        Some(self.0.into())
    }
}

/// Stochastic gradient descent that remembers its last step.
#[derive(Debug)]
struct Heavy;

impl Optimizer for Heavy {
    fn state(&self) -> &[&'static str] {
        &["velocity"]
    }

    fn step(&self, update: Update<'_>) {
        let values = update.weights.iter_mut().zip(&mut update.state[0]);
        for ((weight, velocity), gradient) in values.zip(update.gradient) {
            *velocity = 0.9 * *velocity - update.learning_rate as f32 * gradient;
            *weight += *velocity;
        }
    }

    fn key(&self) -> Option<String> {
        Some("heavy".into())
    }
}

#[test]
fn an_interrupted_run_with_code_of_ones_own_goes_on_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let own = |key| {
        let loss = AnyLoss::Custom(Arc::new(Named(key)));
        config()
            .loss(loss)
            .optimizer(AnyOptimizer::Custom(Arc::new(Heavy)), 0.01)
    };
    let sweep = |key| {
        Sweep::new(folder.path())
            .trial(Trial::of(small(), own(key)))
            .seeds([1])
    };
    let whole = sweep("squares").run(&data()).unwrap();
    let path = folder.path().join(&files(folder.path(), ".json")[0]);
    fs::remove_file(&path).unwrap();
    let (train, validation) = Split::new(0.8, 1).apply(&data().train).unwrap();
    let checkpoint = path.with_extension("safetensors");
    let begun = own("squares").seed(1).checkpoint(&checkpoint);
    killed_in(2, begun, &train, &validation);

    let mut model = Model::load(&checkpoint).unwrap();
    let refused = finish(&mut model, &train, &validation)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("an optimizer of your own (heavy), and a file cannot hold"),
        "{refused}"
    );
    let first_epoch = model.history().epochs[0].clone();
    let resumed = sweep("squares").run(&data()).unwrap();
    assert_eq!(comparable(&resumed), comparable(&whole));
    assert_eq!(resumed.runs()[0].history.epochs[0], first_epoch);
    // Another key is another run.
    sweep("other squares").run(&data()).unwrap();
    assert_eq!(files(folder.path(), ".json").len(), 2);
}

#[test]
fn what_must_fail_is_refused_before_the_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let draws = ModelSpec::new("draws").layer("again", Conv2d::new(1).same());
    let refusals = [
        (
            Trial::new("wrong", small(), config().learning_rate(-1.0)),
            "learning rate",
        ),
        (
            Trial::new("wrong", small().input([32, 32, 3]), config()),
            "resize them",
        ),
        (
            Trial::new("wrong", draws, config().loss(MeanSquaredError::new())),
            "score for each",
        ),
    ];
    for (trial, reason) in refusals {
        let sweep = sweep(folder.path()).trial(trial);
        let told = sweep.run(&data()).unwrap_err().to_string();
        assert!(
            told.starts_with("trial \"wrong\": ") && told.contains(reason),
            "{told}"
        );
    }
    assert_eq!(files(folder.path(), ".json"), Vec::<String>::new());
}

#[test]
fn a_kept_model_is_the_one_that_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (data, short) = (data(), config().epochs(6));
    let trials = [
        Trial::new("average", small(), short.clone().ema_momentum(0.95)),
        Trial::new(
            "best",
            small(),
            short.early_stopping(EarlyStopping::after(1)),
        ),
    ];
    let sweep = trials
        .into_iter()
        .fold(Sweep::new(folder.path()), Sweep::trial);
    let results = sweep.keep_models().run(&data).unwrap();
    let (_, validation) = Split::new(0.8, 42).apply(&data.train).unwrap();
    for (run, file) in results
        .runs()
        .iter()
        .zip(files(folder.path(), ".safetensors"))
    {
        let model = Model::load(folder.path().join(file)).unwrap();
        let measured = evaluate(&model, &validation).unwrap();
        assert_eq!(run.validation, Some(measured), "{}", run.trial);
    }
}

#[test]
fn a_test_time_flip_is_measured_on_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let trial = Trial::of(small(), config()).test_time_flip();
    let sweep = Sweep::new(folder.path()).trial(trial).test().keep_models();
    let results = sweep.run(&data()).unwrap();
    assert_eq!(results.trials(), ["small", "small + test-time flip"]);
    assert_eq!(sweep.run(&data()).unwrap(), results);
    let [plain, flipped] = results.runs() else {
        panic!("{results}")
    };
    assert_eq!(plain.history, flipped.history);
    let model = Model::load(folder.path().join(&files(folder.path(), ".safetensors")[0])).unwrap();
    let test = data().test;
    assert_eq!(plain.test, Some(evaluate(&model, &test).unwrap()));
    let [one, two] = [&test, &test.mirrored()].map(|data| predict(&model, data).unwrap());
    let mean = Predictions::mean(&[one, two])
        .unwrap()
        .evaluate(&test)
        .unwrap();
    assert_eq!(flipped.test, Some(mean));
}

#[test]
fn divergence_is_a_result_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let trial = Trial::new("wild", small(), config().learning_rate(1e30));
    let sweep = Sweep::new(folder.path()).trial(trial.clone());
    let results = sweep.run(&data()).unwrap();
    let diverged = results.runs()[0].diverged.as_ref().unwrap();
    assert!(diverged.contains("diverged"), "{diverged}");
    assert_eq!(results.runs()[0].validation, None);
    assert!(results.to_string().contains("wild (1 diverged)"));
    assert_eq!(sweep.run(&data()).unwrap(), results);

    let path = folder.path().join(&files(folder.path(), ".json")[0]);
    fs::write(&path, "{").unwrap();
    let refused = sweep.run(&data()).unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    assert!(refused.contains("delete it"), "{refused}");
    let twice = sweep.trial(trial).run(&data()).unwrap_err().to_string();
    assert!(twice.contains("\"wild\""), "{twice}");
}
