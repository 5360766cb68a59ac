//! Who is measured: ours, the peers, and stock Candle.

use fmnist_lib::{AnyLoss, Dataset, FitConfig, Model, Verbose, fit};

use crate::candle::Stock;
use crate::networks::Network;
use crate::peers::{Peer, Process, SharedData};
use crate::{BATCH, Options, Result, on_threads};

pub(crate) enum Contestant {
    Ours(Option<Box<Model>>),
    Running(Peer, Process),
    /// Asked for, where the processor cannot do it.
    Absent(Peer),
    Candle(Option<Stock>),
}

impl Contestant {
    /// Ours first.
    pub(crate) fn all(options: &Options, peers: &[Peer], shared: &SharedData) -> Vec<Self> {
        let mut all = vec![Self::Ours(None)];
        for &peer in peers {
            if peer == Peer::Candle {
                all.push(Self::Candle(None));
                continue;
            }
            match peer.start(options, shared) {
                Ok(process) => all.push(Self::Running(peer, process)),
                Err(_) if peer.lacks_instructions() => all.push(Self::Absent(peer)),
                Err(problem) => println!("Not compared with {}: {problem}\n", peer.title()),
            }
        }
        all
    }

    /// With its version.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Running(_, process) => process.name.clone(),
            _ => self.title(),
        }
    }

    pub(crate) fn title(&self) -> String {
        match self {
            Self::Ours(_) => "fmnist-lib".to_owned(),
            Self::Running(peer, _) => peer.title().to_owned(),
            Self::Absent(peer) => format!("{}: not on this processor", peer.title()),
            Self::Candle(_) => Peer::Candle.title().to_owned(),
        }
    }

    pub(crate) fn peer(&self) -> Option<Peer> {
        match self {
            Self::Running(peer, _) | Self::Absent(peer) => Some(*peer),
            Self::Ours(_) | Self::Candle(_) => None,
        }
    }

    /// Gives the memory of a network back.
    pub(crate) fn forget(&mut self) {
        match self {
            Self::Ours(model) => *model = None,
            Self::Candle(model) => *model = None,
            Self::Running(..) | Self::Absent(_) => {} // It forgets by itself when asked for another network.
        }
    }

    /// Fails if a peer's network of that name is another one.
    pub(crate) fn check(&mut self, network: &Network) -> Result<()> {
        let Self::Running(_, process) = self else {
            return Ok(());
        };
        let (name, ours) = (network.name(), network.parameters()?);
        match process.parameters(name)? {
            Some(theirs) if theirs != ours => Err(format!(
                "{name} has {ours} parameters, and {theirs} in {}",
                process.name
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Images per second over `steps` steps of `network`; `None` if it cannot train it.
    pub(crate) fn train(
        &mut self,
        network: &Network,
        steps: usize,
        data: &Dataset,
        threads: usize,
    ) -> Result<Option<f64>> {
        let images = data.take(steps * BATCH);
        match self {
            Self::Ours(model) => {
                let model = match model {
                    Some(model) => model,
                    None => model.insert(Box::new(network.spec.build(0)?)),
                };
                let loss = network.loss.clone();
                on_threads(threads, || images_per_second(model, &images, BATCH, loss)).map(Some)
            }
            Self::Running(_, process) => process.train(network.name(), steps),
            Self::Absent(_) => Ok(None),
            Self::Candle(model) => {
                let model = match model {
                    Some(model) => model,
                    None => model.insert(Stock::new(network.name())?),
                };
                on_threads(threads, || Ok(Some(model.images_per_second(&images)?)))
            }
        }
    }
}

/// Images per second of one epoch: batches, both passes, loss, Adam.
pub(crate) fn images_per_second(
    model: &mut Model,
    images: &Dataset,
    batch: usize,
    loss: AnyLoss,
) -> Result<f64> {
    let config = FitConfig::default()
        .loss(loss)
        .epochs(1)
        .batch_size(batch)
        .verbose(Verbose::Silent);
    let run = fit(model, images, None, config)?;
    Ok(run
        .history
        .last()
        .map_or(f64::NAN, |epoch| epoch.images_per_second))
}
