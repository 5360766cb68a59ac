//! Trains networks of the field on Fashion-MNIST, each by its usual recipe, and prints what became of
//! them: parameters, images per second, accuracy.
//!
//! ```sh
//! cargo run --release --example zoo -- --models lenet-5,resnet-18 --epochs 2
//! ```

mod networks;

use clap::Parser;
use fmnist_lib::*;

#[derive(Parser)]
#[command(about = "Trains networks of the field on Fashion-MNIST.")]
struct Options {
    /// The networks, by name; all of them if not given.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Epochs; by default as many as each recipe has.
    #[arg(long)]
    epochs: Option<usize>,
    /// Training images, of the 48,000.
    #[arg(long, default_value_t = usize::MAX)]
    images: usize,
    /// Images of a batch; by default as many as each recipe has.
    #[arg(long)]
    batch_size: Option<usize>,
    /// Decides the initial weights, the split, the order of the images and what dropout drops.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints the layers of each network and trains nothing.
    #[arg(long)]
    summary: bool,
    /// Prints what a training step costs, stage by stage, and trains nothing.
    #[arg(long)]
    profile: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let recipes = networks::all();
    let names: Vec<&str> = recipes.iter().map(|recipe| recipe.spec.name()).collect();
    if let Some(unknown) = options
        .models
        .iter()
        .find(|name| !names.contains(&name.as_str()))
    {
        let names = names.join(", ");
        return Err(Error::Invalid(format!(
            "there is no network {unknown}; there are {names}"
        )));
    }
    let wanted = |recipe: &networks::Recipe| {
        options.models.is_empty() || options.models.iter().any(|name| name == recipe.spec.name())
    };
    let recipes: Vec<networks::Recipe> = recipes.into_iter().filter(wanted).collect();
    if options.summary {
        for recipe in &recipes {
            println!("{}\n", recipe.spec.summary()?);
        }
        return Ok(());
    }
    let data = FashionMnist::load()?;
    let (train, validation) = Split::new(0.8, options.seed).apply(&data.train)?;
    let train = train.take(options.images.min(train.len()));
    let batch_size =
        |recipe: &networks::Recipe| options.batch_size.unwrap_or(recipe.config.batch_size);
    if options.profile {
        for recipe in &recipes {
            let model = recipe.spec.build(options.seed)?;
            println!("{}\n", model.profile(&train.take(batch_size(recipe)))?);
        }
        return Ok(());
    }
    println!("network             parameters  epochs  images/s  test accuracy  from");
    for recipe in recipes {
        let mut model = recipe.spec.build(options.seed)?;
        let epochs = options.epochs.unwrap_or(recipe.config.epochs);
        let batch_size = batch_size(&recipe);
        let recipe_loss = recipe.config.loss.clone();
        let config = recipe
            .config
            .seed(options.seed)
            .epochs(epochs)
            .batch_size(batch_size)
            .verbose(Verbose::Silent);
        let run = fit(&mut model, &train, &validation, config)?;
        if run.ended == Ended::Interrupted {
            break;
        }
        let speed = run
            .history
            .epochs
            .iter()
            .map(|epoch| epoch.images_per_second)
            .fold(0.0, f64::max);
        let tested = match &recipe_loss {
            AnyLoss::CrossEntropy => format!("{:.4}", evaluate(&model, &data.test)?.accuracy),
            loss => format!("loss {:.4}", mean_loss(&model, &data.test, loss.clone())?),
        };
        println!(
            "{:<18}  {:>10}  {epochs:>6}  {speed:>8.0}  {tested:>13}  {}",
            recipe.spec.name(),
            recipe.spec.summary()?.parameters(),
            recipe.source,
        );
    }
    Ok(())
}
