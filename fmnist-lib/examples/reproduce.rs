//! Trains the report's networks and prints its results table beside ours.
//!
//! The table goes to standard output as Markdown; progress to the terminal or, without one, to
//! standard output as well; histories (CSV), curves (SVG, PNG) and trained weights to a folder. Interrupted? Run the same command again: each
//! network goes on after its last whole epoch.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use fmnist_lib::{
    Comparison, Dataset, Ended, Error, FashionMnist, FitConfig, Model, ModelSpec, Result, Split,
    evaluate, fit, one_layer, plot, resume, three_layer, two_layer,
};

#[derive(Parser)]
#[command(about = "Train the report's networks on Fashion-MNIST and print its table beside ours")]
struct Options {
    /// Epochs to train each network
    #[arg(long, default_value_t = 50)]
    epochs: usize,
    /// Seeds, one run each; with several, the table gives mean ± standard deviation
    #[arg(long, alias = "seed", value_delimiter = ',', default_value = "42")]
    seeds: Vec<u64>,
    /// Networks: 1, 2, 3 for 1_Layer, 2_Layer, 3_layer
    #[arg(long, value_delimiter = ',', default_value = "1,2,3", value_parser = clap::value_parser!(u8).range(1..=3))]
    models: Vec<u8>,
    /// Part of the 60,000 images that trains; the rest validates
    #[arg(long, default_value_t = 0.8)]
    train_fraction: f64,
    /// Images per step
    #[arg(long, default_value_t = 512)]
    batch_size: usize,
    /// Adam's learning rate
    #[arg(long, default_value_t = 0.001)]
    learning_rate: f64,
    /// Folder of the data, if it is in none of the usual places
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder for histories, curves and weights
    #[arg(long, default_value = "target/reproduce")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted) => {
            eprintln!("interrupted: run the same command again to go on");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let data = match &options.data {
        Some(folder) => FashionMnist::load_from(folder)?,
        None => FashionMnist::load()?,
    };
    let mut comparison = Comparison::new();
    for &seed in &options.seeds {
        let (train, validation) = Split::new(options.train_fraction, seed).apply(&data.train)?;
        for &number in &options.models {
            let spec = [one_layer, two_layer, three_layer][usize::from(number) - 1]();
            eprintln!(
                "{}, seed {seed}: {} images train, {} validate",
                spec.name(),
                train.len(),
                validation.len()
            );
            let model = train_or_resume(&spec, &train, &validation, seed, options)?;
            let test = evaluate(&model, &data.test)?;
            eprintln!("{}, seed {seed}: test {test}", spec.name());
            comparison.add(spec.name(), &model.history(), &test);
        }
    }
    println!("{comparison}");
    let first = &comparison.outcomes()[..options.models.len()];
    let runs: Vec<_> = first
        .iter()
        .map(|run| (run.model.as_str(), &run.history))
        .collect();
    for (name, figure) in [
        ("accuracy", plot::accuracy_curves(&runs)),
        ("loss", plot::loss_curves(&runs)),
    ] {
        figure.save(options.out.join(format!("{name}.svg")))?;
        figure.save(options.out.join(format!("{name}.png")))?;
    }
    eprintln!(
        "curves, histories and weights are in {}",
        options.out.display()
    );
    Ok(())
}

fn train_or_resume(
    spec: &ModelSpec,
    train: &Dataset,
    validation: &Dataset,
    seed: u64,
    options: &Options,
) -> Result<Model> {
    // Everything that shapes the result is in the name, so that another setting starts afresh.
    let name = format!(
        "{}-seed{seed}-epochs{}-batch{}-rate{}-split{}",
        spec.name(),
        options.epochs,
        options.batch_size,
        options.learning_rate,
        options.train_fraction
    );
    let checkpoint = options.out.join(format!("{name}.safetensors"));
    let (model, run) = if checkpoint.exists() {
        resume(&checkpoint, train, validation)?
    } else {
        create(&options.out)?;
        let model = spec.build(seed)?;
        let config = FitConfig::default()
            .epochs(options.epochs)
            .batch_size(options.batch_size)
            .learning_rate(options.learning_rate)
            .seed(seed)
            .csv(options.out.join(format!("{name}.csv")))
            .checkpoint(checkpoint);
        let run = fit(&model, train, validation, config)?;
        (model, run)
    };
    match run.ended {
        Ended::Interrupted => Err(Error::Interrupted),
        _ => Ok(model),
    }
}

fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        action: "create",
        path: folder.into(),
        source,
    })
}
