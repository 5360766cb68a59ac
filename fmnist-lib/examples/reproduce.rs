//! Trains the report's networks and prints its results table beside ours.
//!
//! The table goes to standard output as Markdown; progress to the terminal or, without one, to
//! standard output as well; results (JSON, CSV), curves (SVG, PNG) and trained models to a folder.
//! Interrupted? Run the same command again: each network goes on with its next batch. Several
//! machines? Run it on each of them, with the same folder: they divide the networks and seeds among
//! themselves, and each prints the whole table.
//!
//! It ends with 0 when all is done, 130 after Ctrl-C, 143 after SIGTERM (from Slurm, Kubernetes or `docker stop`), 2 when
//! an option is wrong, and 1 after any other error. Only after 130 and 143 is there something to go on with.

use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fmnist_lib::{
    Error, FashionMnist, FitConfig, Result, Sweep, Trial, one_layer, plot, quick, three_layer,
    two_layer,
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
    /// Parts of a batch whose gradients are computed apart, by several processes under mpirun (feature mpi). Results
    /// depend on this number, but not on that of the processes, which must divide it
    #[arg(long, default_value_t = 1)]
    shards: usize,
    /// Adam's learning rate
    #[arg(long, default_value_t = 0.001)]
    learning_rate: f64,
    /// Folder of the data, if it is in none of the usual places
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder for results, curves and trained models
    #[arg(long, default_value = "target/reproduce")]
    out: PathBuf,
}

fn main() -> ExitCode {
    // Where `mpirun` has started several processes, only the first one goes on from here.
    #[cfg(feature = "mpi")]
    let _mpi = match fmnist_lib::Mpi::join() {
        Ok(Some(mpi)) => mpi,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    #[cfg(not(feature = "mpi"))]
    if std::env::var("OMPI_COMM_WORLD_SIZE").is_ok_and(|size| size != "1") {
        eprintln!(
            "warning: this program was compiled without MPI: each of the processes that mpirun has started trains \
             alone. Compile it with --features fmnist-lib/mpi"
        );
    }
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(&options) {
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
    let mut sweep = Sweep::new(&options.out)
        .seeds(options.seeds.iter().copied())
        .train_fraction(options.train_fraction)
        .test()
        .keep_models();
    for &number in &options.models {
        let spec = [one_layer, two_layer, three_layer][usize::from(number) - 1]();
        let config = FitConfig::default()
            .epochs(options.epochs)
            .batch_size(options.batch_size)
            .shards(options.shards)
            .learning_rate(options.learning_rate);
        sweep = sweep.trial(match quick() {
            true => Trial::of(spec, config.epochs(2)).images(5_000),
            false => Trial::of(spec, config),
        });
    }
    let results = sweep.run(&data)?;
    // A reader who has gone away, as `head` does, wants no table; the files are written all the same.
    let _ = writeln!(stdout(), "{}", results.comparison());
    for run in results.runs() {
        let name = format!("{}-seed{}.csv", run.trial, run.seed);
        run.history.save_csv(options.out.join(name))?;
    }
    results.save_csv(options.out.join("results.csv"))?;
    let runs = results.histories();
    for (name, figure) in [
        ("accuracy", plot::accuracy_curves(&runs)),
        ("loss", plot::loss_curves(&runs)),
    ] {
        figure.save(options.out.join(format!("{name}.svg")))?;
        figure.save(options.out.join(format!("{name}.png")))?;
    }
    eprintln!(
        "results, curves and trained models are in {}",
        options.out.display()
    );
    Ok(())
}
