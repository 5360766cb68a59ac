//! One setting to try.

use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::train::check;

/// A network and how to train it, under a name.
#[derive(Clone, Debug)]
#[must_use = "a setting gives back the changed value"]
pub struct Trial {
    pub(super) name: String,
    pub(super) spec: ModelSpec,
    pub(super) config: FitConfig,
    pub(super) images: Option<usize>,
    pub(super) flip: bool,
    /// Names and values of what was drawn for it.
    settings: Vec<(String, String)>,
}

impl Trial {
    /// Trains `spec` as `config` says. The sweep sets `config`'s seed and checkpoint, and has no use
    /// for its CSV: each result holds its run's history.
    pub fn new(name: &str, spec: ModelSpec, config: FitConfig) -> Self {
        Self {
            name: name.to_owned(),
            spec,
            config,
            images: None,
            flip: false,
            settings: Vec::new(),
        }
    }

    /// As [`new`](Self::new), under the network's own name.
    pub fn of(spec: ModelSpec, config: FitConfig) -> Self {
        let name = spec.name().to_owned();
        Self::new(&name, spec, config)
    }

    /// Trains on no more than `images` images. Validation keeps all of its images.
    pub fn images(self, images: usize) -> Self {
        Self {
            images: Some(images),
            ..self
        }
    }

    /// Its name in tables and figures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// How it is trained.
    pub fn config(&self) -> &FitConfig {
        &self.config
    }

    /// Names and values of what [`random_search`](crate::random_search) drew for it.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings.find_map(|(own, value)| (own == name).then_some(value.as_str()))
    }

    /// Under the name that its settings make.
    pub(super) fn with_settings(self, settings: Vec<(String, String)>) -> Self {
        let words = settings
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        Self {
            name: words.collect::<Vec<_>>().join(", "),
            settings,
            ..self
        }
    }

    /// Refuses what can be seen to fail before anything is trained: it would otherwise end a sweep of many hours.
    pub(super) fn check(&self, train: &Dataset, validation: &Dataset) -> Result<()> {
        let located = |error: Error| error.about(&format!("trial {:?}", self.name));
        let model = self.spec.build(0).map_err(located)?;
        let train = train.take(self.images.unwrap_or(usize::MAX));
        // Each run has a checkpoint of its own.
        let config = FitConfig {
            checkpoint: None,
            ..self.config.clone()
        };
        check(&model, &config, &train, Some(validation)).map_err(located)?;
        if model.classifies(&train) {
            return Ok(());
        }
        Err(located(Error::Invalid(format!(
            "a sweep compares networks that give a score for each of the {} classes; train any other by `fit` and \
             measure it by `mean_loss`",
            train.classes()
        ))))
    }

    /// Measures the trained network a second time, by the mean of what it says of an image and of its
    /// mirror image (test-time augmentation), as a trial of its own called `{name} + test-time flip`.
    pub fn test_time_flip(self) -> Self {
        Self { flip: true, ..self }
    }
}
