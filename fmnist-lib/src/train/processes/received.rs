//! A job as a process has it that follows.

use std::path::Path;

use super::job::{Form, MODEL};
use super::peers::Peers;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::{Model, RunPlan};

pub(super) struct Received {
    pub(super) model: Model,
    pub(super) plan: RunPlan,
    pub(super) train: Dataset,
    pub(super) validation: Option<Dataset>,
}

impl Received {
    pub(super) fn from(peers: &dyn Peers) -> Result<Self> {
        let model = Model::from_bytes(Path::new(MODEL), &peers.broadcast(Vec::new()))?;
        let has_validation = peers.broadcast(Vec::new()) == [1];
        let plan = model.log.run.clone();
        Ok(Self {
            plan: plan.ok_or_else(|| Error::Invalid(format!("{MODEL} has no run")))?,
            train: images(peers)?,
            validation: has_validation.then(|| images(peers)).transpose()?,
            model,
        })
    }
}

fn images(peers: &dyn Peers) -> Result<Dataset> {
    let [form, pixels, labels] = [(); 3].map(|()| peers.broadcast(Vec::new()));
    let form: Form = serde_json::from_slice(&form).expect("all processes are of one build");
    Dataset::of_shape(form.shape, form.class_names, pixels, labels)
}
