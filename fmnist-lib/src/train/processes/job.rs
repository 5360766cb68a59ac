//! What a process needs to follow a run, as bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::peers::Peers;
use crate::data::Dataset;
use crate::error::Result;
use crate::model::Model;

/// A model with its run, and the images.
pub(super) struct Job {
    model: Vec<u8>,
    train: Images,
    validation: Option<Images>,
}

struct Images {
    form: Vec<u8>,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// What is known of images before they come.
#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    pub(super) shape: [usize; 3],
    pub(super) class_names: Vec<String>,
}

/// How errors name the file that the model was written to.
pub(super) const MODEL: &str = "the model that process 0 sends";

impl Job {
    pub(super) fn of(model: &Model, train: &Dataset, validation: Option<&Dataset>) -> Result<Self> {
        Ok(Self {
            model: model.to_bytes(Path::new(MODEL))?,
            train: Images::of(train),
            validation: validation.map(Images::of),
        })
    }

    pub(super) fn send(self, peers: &dyn Peers) {
        peers.broadcast(self.model);
        peers.broadcast(vec![u8::from(self.validation.is_some())]);
        for Images {
            form,
            pixels,
            labels,
        } in [self.train].into_iter().chain(self.validation)
        {
            for part in [form, pixels, labels] {
                peers.broadcast(part);
            }
        }
    }
}

impl Images {
    fn of(dataset: &Dataset) -> Self {
        let form = Form {
            shape: dataset.shape(),
            class_names: dataset.class_names().to_vec(),
        };
        Self {
            form: serde_json::to_vec(&form).expect("numbers and names can be written"),
            pixels: dataset.images().to_vec(),
            labels: dataset.labels().to_vec(),
        }
    }
}
