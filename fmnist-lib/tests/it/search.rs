use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::{env, fs, thread};

use fmnist_lib::{
    Error, FitConfig, HyperParameters, Result, Schedule, Search, SearchResults, Split, Sweep,
    SweepRun, TrainTest, Trial, Verbose, evaluate, random_search,
};
use serde_json::Value;

use crate::plots::texts;
use crate::program;
use crate::striped;
use crate::sweep::{config, data, files};
use crate::sweep_results::{cell, with_own};
use crate::training::small;

const HALVING: Search = Search::SuccessiveHalving { factor: 3 };

/// All that a distribution can be, and a schedule that looks at the length of the run.
fn candidate(hp: &mut HyperParameters) -> Result<Trial> {
    let config = config()
        .epochs(9)
        .learning_rate(hp.log_uniform("learning rate", 1e-4, 1e-1)?)
        .batch_size(hp.choice("batch size", [16, 30, 60, 120])?)
        .schedule(Schedule::Cosine)
        .ema_momentum(0.9);
    let label_smoothing = hp.uniform("label smoothing", 0.0, 0.2)?;
    let l2 = 1e-6 * hp.integer("l2", 0, 4)? as f64;
    Ok(Trial::of(
        small(),
        config.label_smoothing(label_smoothing).l2(l2),
    ))
}

fn sweep(folder: &Path) -> Sweep {
    Sweep::new(folder).trials(random_search(9, 1, candidate).unwrap())
}

fn losses(run: &SweepRun) -> Vec<(f32, Option<f32>, Option<f32>)> {
    let epochs = run.history.epochs.iter();
    epochs
        .map(|e| (e.loss, e.val_loss, e.val_accuracy))
        .collect()
}

/// All but the times, which no two searches share.
fn comparable(results: &SearchResults) -> Vec<String> {
    let trial = |found: &fmnist_lib::SearchTrial| {
        let runs: Vec<_> = found
            .runs
            .iter()
            .map(|r| (r.seed, losses(r), &r.validation))
            .collect();
        format!(
            "{} {} {} {runs:?}",
            found.trial.name(),
            found.epochs,
            found.stopped
        )
    };
    results.trials().iter().map(trial).collect()
}

fn names(results: &SearchResults, epochs: usize) -> BTreeSet<String> {
    let trials = results
        .trials()
        .iter()
        .filter(|found| found.epochs >= epochs);
    trials.map(|found| found.trial.name().to_owned()).collect()
}

fn numbers(trials: &[Trial], setting: &str) -> Vec<f64> {
    let value = |trial: &Trial| {
        let (_, value) = trial
            .settings()
            .iter()
            .find(|(name, _)| name == setting)
            .unwrap();
        value.parse().unwrap()
    };
    trials.iter().map(value).collect()
}

/// The largest distance of the values' distribution from the one with this cumulative function (Kolmogorov and
/// Smirnov), times the root of their number: above 1.949 in one of a thousand cases.
fn kolmogorov(mut values: Vec<f64>, cumulative: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distance = |(i, &value): (usize, &f64)| {
        let expected = cumulative(value);
        (expected - i as f64 / count)
            .abs()
            .max((expected - (i + 1) as f64 / count).abs())
    };
    values.iter().enumerate().map(distance).fold(0.0, f64::max) * count.sqrt()
}

/// Pearson's chi-square against equal numbers of each of so many values.
fn chi_square(values: &[f64], kinds: usize) -> f64 {
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    values
        .iter()
        .for_each(|value| *counts.entry(value.to_bits()).or_default() += 1.0);
    assert_eq!(counts.len(), kinds, "{counts:?}");
    let expected = values.len() as f64 / kinds as f64;
    counts
        .values()
        .map(|count| (count - expected).powi(2) / expected)
        .sum()
}

#[test]
fn settings_are_distributed_as_asked() {
    let trials = random_search(3000, 7, candidate).unwrap();
    let rates = numbers(&trials, "learning rate");
    let log_uniform = |rate: f64| (rate / 1e-4).ln() / (1e-1f64 / 1e-4).ln();
    assert!(kolmogorov(rates.clone(), log_uniform) < 1.949);
    // The test can tell: evenly they are not distributed.
    assert!(kolmogorov(rates.clone(), |rate| (rate - 1e-4) / (1e-1 - 1e-4)) > 20.0);
    let smoothing = numbers(&trials, "label smoothing");
    assert!(kolmogorov(smoothing.clone(), |value| value / 0.2) < 1.949);
    // Critical values for one of a thousand cases, with 3 and 4 degrees of freedom.
    assert!(chi_square(&numbers(&trials, "batch size"), 4) < 16.27);
    assert!(chi_square(&numbers(&trials, "l2"), 5) < 18.47);
    // Nor does one setting follow another: so are the smoothings of small rates.
    let of_small = rates
        .iter()
        .zip(&smoothing)
        .filter(|(rate, _)| **rate < 1e-3);
    let of_small = of_small.map(|(_, smoothing)| *smoothing).collect();
    let distance = kolmogorov(of_small, |value| value / 0.2);
    assert!(distance < 1.949, "{distance}");
}

#[test]
fn a_seed_and_a_name_say_what_is_tried() {
    let trials = random_search(20, 3, candidate).unwrap();
    let names = |trials: &[Trial]| {
        trials
            .iter()
            .map(|t| t.name().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&trials),
        names(&random_search(20, 3, candidate).unwrap())
    );
    assert_eq!(
        names(&trials)[..5],
        names(&random_search(5, 3, candidate).unwrap())
    );
    assert_ne!(
        names(&trials),
        names(&random_search(20, 4, candidate).unwrap())
    );
    for trial in &trials {
        let config = trial.config();
        let name = format!(
            "learning rate {}, batch size {}",
            config.learning_rate, config.batch_size
        );
        assert!(
            trial.name().starts_with(&name),
            "{} for {name}",
            trial.name()
        );
    }
    // A further setting leaves the others as they are.
    let more = |hp: &mut HyperParameters| {
        hp.choice("before", ["a", "b"])?;
        candidate(hp)
    };
    let rates = |trials: &[Trial]| numbers(trials, "learning rate");
    assert_eq!(rates(&random_search(20, 3, more).unwrap()), rates(&trials));
}

#[test]
fn trials_differ_as_long_as_there_are_different_ones() {
    let few = |hp: &mut HyperParameters| {
        let size = hp.integer("batch size", 1, 3)?;
        let rate = hp.choice("rate", [0.1, 0.2])?;
        Ok(Trial::of(
            small(),
            config().batch_size(size).learning_rate(rate),
        ))
    };
    let names: BTreeSet<String> = random_search(6, 1, few)
        .unwrap()
        .iter()
        .map(|trial| trial.name().to_owned())
        .collect();
    assert_eq!(names.len(), 6);
    let refused = random_search(7, 1, few).unwrap_err().to_string();
    assert!(refused.contains("no more than 6 trials"), "{refused}");
}

#[test]
fn settings_that_cannot_be_drawn_are_refused() {
    type Draw = fn(&mut HyperParameters) -> Result<f64>;
    let refusals: [(Draw, &str); 8] = [
        (|hp| hp.log_uniform("x", 0.0, 1.0), "two positive numbers"),
        (|hp| hp.log_uniform("x", 1.0, 0.1), "lower one first"),
        (
            |hp| hp.log_uniform("x", 1.0, f64::INFINITY),
            "two positive numbers",
        ),
        (|hp| hp.uniform("x", f64::NAN, 1.0), "two finite numbers"),
        (|hp| hp.uniform("x", 1.0, 1.0), "lower one first"),
        (|hp| Ok(hp.integer("x", 2, 1)? as f64), "from 2 to 1"),
        (|hp| hp.choice("x", Vec::<f64>::new()), "no options"),
        (|_| Ok(1.0), "draws no setting"),
    ];
    for (draw, reason) in refusals {
        let candidate =
            |hp: &mut HyperParameters| Ok(Trial::of(small(), config().learning_rate(draw(hp)?)));
        let refused = random_search(1, 1, candidate).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
    let twice = |hp: &mut HyperParameters| {
        hp.uniform("x", 0.0, 1.0)?;
        hp.uniform("x", 0.0, 1.0)?;
        Ok(Trial::of(small(), config()))
    };
    let refused = random_search(1, 1, twice).unwrap_err().to_string();
    assert!(refused.contains("\"x\": it was drawn already"), "{refused}");
}

#[test]
fn a_trial_that_goes_on_is_the_run_that_was_never_paused() {
    let folder = tempfile::tempdir().unwrap();
    let results = sweep(folder.path())
        .seeds(1..=2)
        .search(&data(), HALVING)
        .unwrap();
    let reached: Vec<usize> = results.trials().iter().map(|found| found.epochs).collect();
    assert_eq!(reached, [9, 3, 3, 1, 1, 1, 1, 1, 1]);
    assert_eq!(
        (results.epochs(), results.epochs_of_all()),
        (2 * 21, 2 * 81)
    );
    let shown = results.to_string();
    let origin = &results.trials()[0].runs[0].origin;
    let end =
        format!("\n42 epochs; to train all 9 trials to the end takes 162.\n18 runs by {origin}");
    assert!(shown.ends_with(&end), "{shown}");
    assert!(
        shown.lines().next().unwrap().ends_with(" status"),
        "{shown}"
    );
    assert!(files(folder.path(), ".safetensors").is_empty());
    assert!(files(folder.path(), ".lock").is_empty());

    let elsewhere = tempfile::tempdir().unwrap();
    let whole = sweep(elsewhere.path()).seeds(1..=2).run(&data()).unwrap();
    for found in results.trials() {
        for (paused, whole) in found.runs.iter().zip(whole.of(found.trial.name())) {
            assert_eq!(paused.seed, whole.seed);
            assert_eq!(losses(paused), losses(whole)[..found.epochs]);
            assert_eq!(paused.validation.is_some(), !found.stopped);
        }
    }
    let best = results.best().unwrap();
    let of_best = whole.of(best.trial.name());
    let validations = |runs: &mut dyn Iterator<Item = &SweepRun>| {
        runs.map(|run| run.validation.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        validations(&mut best.runs.iter()),
        validations(&mut of_best.into_iter())
    );
    // Each finds the results of the other: the same seconds.
    let again = Sweep::new(folder.path())
        .seeds(1..=2)
        .trial(best.trial.clone());
    assert_eq!(again.run(&data()).unwrap().runs(), &best.runs[..]);
    let found = sweep(elsewhere.path())
        .seeds(1..=2)
        .search(&data(), HALVING)
        .unwrap();
    assert_eq!(comparable(&found), comparable(&results));
    for found in found.trials() {
        let whole = whole.of(found.trial.name())[0];
        assert_eq!(
            found.runs[0].history.epochs,
            whole.history.epochs[..found.epochs]
        );
    }
    assert_eq!(files(elsewhere.path(), ".json").len(), 18);
}

#[test]
fn the_best_of_the_results_that_lie_there_go_on() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path())
        .seeds(1..=2)
        .search(&data(), HALVING)
        .unwrap();
    // Mean accuracies of the trials, two with the same accuracy and another loss; the seeds differ.
    let written: [(f64, f64); 9] = [
        (0.30, 1.0),
        (0.70, 0.9),
        (0.10, 1.0),
        (0.55, 0.8),
        (0.20, 1.0),
        (0.55, 0.7),
        (0.90, 2.0),
        (0.00, 1.0),
        (0.54, 0.1),
    ];
    let trials = random_search(9, 1, candidate).unwrap();
    let mut of_first_rung = 0;
    for file in files(folder.path(), ".json") {
        let path = folder.path().join(file);
        let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if record["settings"]["stopped_after"] != 1 {
            fs::remove_file(&path).unwrap();
            continue;
        }
        let at = trials
            .iter()
            .position(|trial| record["trial"] == trial.name())
            .unwrap();
        let by_seed = if record["settings"]["seed"] == 1 {
            0.05
        } else {
            -0.05
        };
        record["history"]["epochs"][0]["val_accuracy"] = (written[at].0 + by_seed).into();
        record["history"]["epochs"][0]["val_loss"] = written[at].1.into();
        fs::write(&path, record.to_string()).unwrap();
        of_first_rung += 1;
    }
    assert_eq!(of_first_rung, 18);
    let results = sweep(folder.path())
        .seeds(1..=2)
        .search(&data(), HALVING)
        .unwrap();
    let expected = [1, 5, 6].map(|at: usize| trials[at].name().to_owned());
    assert_eq!(names(&results, 3), BTreeSet::from(expected));
}

#[test]
fn two_at_once_decide_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [one, two] = thread::scope(|scope| {
        let start = || scope.spawn(|| sweep(path).search(&data(), HALVING).unwrap());
        [start(), start()].map(|thread| thread.join().unwrap())
    });
    assert_eq!(one.to_string(), two.to_string());
    // The same seconds: each run was done once.
    for (one, two) in one.trials().iter().zip(two.trials()) {
        assert_eq!(one.runs, two.runs);
    }
    let alone = tempfile::tempdir().unwrap();
    let alone = sweep(alone.path()).search(&data(), HALVING).unwrap();
    assert_eq!(comparable(&one), comparable(&alone));
    assert_eq!(one.to_string(), alone.to_string());
}

/// So much that a process can be killed in time.
fn long_data() -> TrainTest {
    TrainTest {
        train: striped(1500, 1),
        test: striped(40, 2),
    }
}

/// Killed in the first rung and again in a later one; then two processes do the rest.
#[test]
fn a_killed_search_ends_as_if_nobody_had_killed_it() {
    if program::is_running() {
        let folder = env::var_os("SEARCH_FOLDER").unwrap();
        sweep(Path::new(&folder))
            .search(&long_data(), HALVING)
            .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        program::command("search::a_killed_search_ends_as_if_nobody_had_killed_it")
            .env("SEARCH_FOLDER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for results in [3, 10] {
        // With a checkpoint, in the middle of a run.
        program::kill_when(start(), || {
            files(folder.path(), ".json").len() >= results
                && !files(folder.path(), ".lock").is_empty()
        });
    }
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    // Nine, three and one.
    assert_eq!(files(folder.path(), ".json").len(), 13);
    let killed = sweep(folder.path()).search(&long_data(), HALVING).unwrap();
    let alone = tempfile::tempdir().unwrap();
    let alone = sweep(alone.path()).search(&long_data(), HALVING).unwrap();
    assert_eq!(comparable(&killed), comparable(&alone));
}

#[test]
fn hyperband_trains_each_of_its_trials_as_far_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let short = |hp: &mut HyperParameters| {
        let rate = hp.log_uniform("learning rate", 1e-4, 1e-1)?;
        Ok(Trial::of(small(), config().epochs(3).learning_rate(rate)))
    };
    let count = Search::hyperband_trials(3, 3).unwrap();
    assert_eq!(count, 5);
    let trials = random_search(count, 1, short).unwrap();
    let sweep = Sweep::new(folder.path())
        .trials(trials.clone())
        .test()
        .keep_models();
    let hyperband = Search::Hyperband { factor: 3 };
    let results = sweep.search(&data(), hyperband).unwrap();
    let reached: Vec<usize> = results.trials().iter().map(|found| found.epochs).collect();
    assert_eq!(reached, [3, 3, 3, 1, 1]);
    // The last two are trained to the end at once.
    let to_the_end = names(&results, 3);
    assert!(
        trials[3..]
            .iter()
            .all(|trial| to_the_end.contains(trial.name()))
    );
    // What is trained to the end is measured and kept, and nothing else.
    for found in results.trials() {
        assert_eq!(found.runs[0].test.is_some(), !found.stopped);
    }
    assert_eq!(files(folder.path(), ".safetensors").len(), 3);
    let (_, validation) = Split::new(0.8, 42).apply(&data().train).unwrap();
    for found in results.trials() {
        match found.best_model() {
            Ok(model) => assert_eq!(
                Some(evaluate(&model, &validation).unwrap()),
                found.runs[0].validation
            ),
            Err(told) => {
                assert!(found.stopped, "{told}");
                assert!(told.to_string().contains("has stopped this run"), "{told}");
            }
        }
    }
    assert_eq!(
        evaluate(&results.best_model().unwrap(), &validation).unwrap(),
        results.best().unwrap().runs[0].validation.clone().unwrap()
    );
    let again = sweep.search(&data(), hyperband).unwrap();
    assert_eq!(again.to_string(), results.to_string());

    let refused = Sweep::new(folder.path()).trials(trials[..4].to_vec());
    let refused = refused.search(&data(), hyperband).unwrap_err().to_string();
    assert!(refused.contains("takes 5 trials, not 4"), "{refused}");
}

#[test]
fn what_diverges_does_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let trial =
        |name: &str, rate| Trial::new(name, small(), config().epochs(4).learning_rate(rate));
    let sweep = Sweep::new(folder.path())
        .trial(trial("diverges", 1e30))
        .trial(trial("as well", 1e31))
        .trial(trial("learns", 1e-3))
        .trial(trial("and that", 1e-2));
    let results = sweep
        .search(&data(), Search::SuccessiveHalving { factor: 2 })
        .unwrap();
    assert_eq!(results.trials()[0].epochs, 4);
    let stopped = results.trials().iter().filter(|found| found.stopped);
    let diverged: BTreeSet<&str> = (results.trials().iter())
        .filter(|found| found.runs[0].diverged.is_some())
        .map(|found| found.trial.name())
        .collect();
    assert_eq!(stopped.count(), 3);
    assert_eq!(diverged, BTreeSet::from(["diverges", "as well"]));
    assert!(results.to_string().contains("diverged"), "{results}");

    let all = Sweep::new(folder.path()).trial(trial("diverges", 1e30));
    assert!(all.search(&data(), Search::Full).unwrap().best().is_none());
}

#[test]
fn a_search_that_cannot_work_is_refused_before_its_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let plain = |epochs| Trial::new("plain", small(), config().epochs(epochs));
    let refused = |other: Trial, search| -> Error {
        let sweep = Sweep::new(folder.path()).trial(plain(2)).trial(other);
        sweep.search(&data(), search).unwrap_err()
    };
    let longer = Trial::new("longer", small(), config().epochs(3));
    let told = refused(longer.clone(), HALVING).to_string();
    assert!(
        told.contains("\"plain\" has 2 epochs, and another one 3"),
        "{told}"
    );
    let own = || with_own(cell::first::Scaled(None), config());
    let told = refused(own(), HALVING).to_string();
    assert!(
        told.contains("\"own\": layer scaled is your own and has no key"),
        "{told}"
    );
    let short = Trial::new("short", small(), config());
    let told = refused(short, Search::SuccessiveHalving { factor: 1 }).to_string();
    assert!(told.contains("2 or more"), "{told}");
    assert!(files(folder.path(), ".json").is_empty());

    // A full search takes both: a random search as scikit-learn's.
    let sweep = Sweep::new(folder.path())
        .trial(plain(2))
        .trial(longer)
        .trial(own());
    let results = sweep.search(&data(), Search::Full).unwrap();
    assert_eq!((results.epochs(), results.epochs_of_all()), (7, 7));
    let nothing = || Sweep::new(folder.path());
    for told in [
        nothing().search(&data(), HALVING).unwrap_err(),
        nothing().search(&data(), Search::Full).unwrap_err(),
        nothing().run(&data()).unwrap_err(),
    ] {
        assert!(told.to_string().contains("has no trials"), "{told}");
    }
    let told = nothing()
        .trial(plain(1))
        .seeds([])
        .run(&data())
        .unwrap_err();
    assert!(told.to_string().contains("has no seeds"), "{told}");
}

#[test]
fn a_long_name_makes_no_file_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let name = "setting 0.001, ".repeat(30);
    let trial = Trial::new(
        &name,
        small(),
        FitConfig {
            epochs: 1,
            ..config()
        },
    );
    let results = Sweep::new(folder.path()).trial(trial).run(&data()).unwrap();
    assert_eq!(results.trials(), [name]);
}

/// Three rates close to each other, words, and two seeds.
#[test]
fn a_search_is_drawn_against_any_setting_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let candidate = |hp: &mut HyperParameters| {
        let rate = hp.log_uniform("learning rate", 1e-3, 1e-2)?;
        hp.choice("activation", ["tanh", "relu"])?;
        Ok(Trial::of(small(), config().epochs(2).learning_rate(rate)))
    };
    let results = Sweep::new(folder.path())
        .seeds([1, 2])
        .trials(random_search(4, 3, candidate).unwrap())
        .search(&data(), Search::SuccessiveHalving { factor: 2 })
        .unwrap();
    // Two of four go on to the end, each with two seeds.
    let told = results.curves().to_string();
    for legend in [
        "stopped after 1 epoch (2 trials)",
        "trained to the end (2 trials)",
    ] {
        assert!(told.contains(legend), "{told}");
    }
    let words = results.against("activation").unwrap();
    let svg = words.to_svg().unwrap();
    let texts = texts(&svg);
    let place = |word: &str| texts.iter().position(|text| text == word);
    assert!(place("relu") < place("tanh") && place("relu").is_some());
    let circles = svg.matches("<circle").count();
    assert!(circles >= 8, "a dot for each run: {circles}");
    assert!(words.to_string().contains(" at relu") || words.to_string().contains(" at tanh"));
    results.against("learning rate").unwrap().to_png().unwrap();
    let refused = results.against("learning_rate").unwrap_err().to_string();
    assert_eq!(
        refused,
        "there is no setting \"learning_rate\": the trials have \"learning rate\", \"activation\""
    );
    let plain = Trial::of(small(), config());
    let plain = Sweep::new(folder.path()).trial(plain);
    let plain = plain.search(&data(), Search::Full).unwrap();
    let refused = plain.against("filters").unwrap_err().to_string();
    assert!(refused.contains("these trials have none"), "{refused}");
}

/// What is found is counted before anything is trained, in all rungs, and the lines go on behind it.
#[test]
fn a_search_that_goes_on_says_how_much_it_has_found() {
    if program::is_running() {
        let folder = env::var_os("SEARCH_FOLDER").unwrap();
        let trials = random_search(9, 1, candidate).unwrap();
        let spoken = |trial: Trial| {
            let config = trial.config().clone().verbose(Verbose::Lines);
            Trial::new(trial.name(), trial.spec().clone(), config)
        };
        Sweep::new(folder)
            .trials(trials.into_iter().map(spoken))
            .search(&data(), HALVING)
            .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = || {
        let name = "search::a_search_that_goes_on_says_how_much_it_has_found";
        let mut command = program::command(name);
        let output = command
            .env("SEARCH_FOLDER", folder.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let first = said();
    assert!(!first.contains("found in"), "{first}");
    // Nine, three and one.
    assert!(
        first.contains("(part 13 of 13): validation loss: "),
        "{first}"
    );
    assert!(
        first.contains("(part 9 of 13): epoch 1, validation loss: "),
        "{first}"
    );
    let after_all = said();
    let found = |parts: &str| format!("{parts} found in {}; ", folder.path().display());
    let all = found("13 of 13 parts of runs were") + "nothing is to be trained.";
    assert!(after_all.contains(&all), "{after_all}");
    // Without the last rung.
    for file in files(folder.path(), ".json") {
        let path = folder.path().join(file);
        let record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if record["settings"]["stopped_after"].is_null() {
            fs::remove_file(&path).unwrap();
        }
    }
    let again = said();
    let most = found("12 of 13 parts of runs were") + "the others are trained.";
    assert!(again.contains(&most), "{again}");
    assert_eq!(again.matches("(part ").count(), 1, "{again}");
}
