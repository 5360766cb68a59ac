//! Activations and initialisers, by their names in Keras, both ways.

use serde_json::{Map, Value, json};

use crate::nn::{Activation, Init};

/// Keras's `leaky_relu` without a number.
const SLOPE: f64 = 0.2;

/// The value of a layer's setting `activation`.
pub(super) fn write_activation(activation: Activation) -> Value {
    match activation {
        Activation::LeakyRelu { negative_slope } => object(
            "keras.layers",
            "LeakyReLU",
            json!({ "negative_slope": negative_slope }),
        ),
        other => json!(other.name()),
    }
}

/// What a layer does with its sums, and what is wrong with an activation that this crate does not have.
pub(super) fn read_activation(value: Option<&Value>) -> Result<Activation, String> {
    let value = match value {
        None | Some(Value::Null) => return Ok(Activation::Linear),
        Some(value) => value,
    };
    // A function is written by its name, or as an object whose settings are its name.
    let name = value.as_str().or(value["config"].as_str());
    if let Some(name) = name {
        return match name {
            "leaky_relu" => Ok(Activation::LeakyRelu {
                negative_slope: SLOPE,
            }),
            _ => Activation::of_name(name).ok_or_else(|| {
                format!("this crate does not have the activation {name} at this place")
            }),
        };
    }
    let settings = value["config"].as_object();
    let class = value["class_name"].as_str().unwrap_or("without a name");
    settings
        .and_then(|settings| activation_of_class(class, settings).transpose())
        .unwrap_or_else(|| Err(format!("this crate does not have the activation {class}")))
}

/// The activation that a Keras layer of this class is; none where it is another layer.
pub(super) fn activation_of_class(
    class: &str,
    settings: &Map<String, Value>,
) -> Result<Option<Activation>, String> {
    let number = |key: &str, default: f64| match settings.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_f64()
            .ok_or_else(|| format!("its {key} is {value}, not a number")),
    };
    let only = |key: &str, wanted: f64| match number(key, wanted)? {
        found if found == wanted => Ok(()),
        found => Err(format!("this crate has no {class} with a {key} of {found}")),
    };
    Ok(Some(match class {
        "ReLU" => {
            if let Some(most) = settings.get("max_value").filter(|most| !most.is_null()) {
                return Err(format!("this crate has no ReLU with a max_value of {most}"));
            }
            only("threshold", 0.0)?;
            match number("negative_slope", 0.0)? {
                0.0 => Activation::Relu,
                negative_slope => Activation::LeakyRelu { negative_slope },
            }
        }
        // Keras 2 called the slope `alpha`.
        "LeakyReLU" => Activation::LeakyRelu {
            negative_slope: number("negative_slope", number("alpha", 0.3)?)?,
        },
        "ELU" => {
            only("alpha", 1.0)?;
            Activation::Elu
        }
        "Activation" => read_activation(settings.get("activation"))?,
        _ => return Ok(None),
    }))
}

pub(super) fn write_initializer(init: Init) -> Value {
    let (class, config) = match init {
        Init::Zeros => ("Zeros", json!({})),
        Init::Ones => ("Ones", json!({})),
        Init::GlorotUniform => ("GlorotUniform", json!({})),
        Init::GlorotNormal => ("GlorotNormal", json!({})),
        Init::HeUniform => ("HeUniform", json!({})),
        Init::HeNormal => ("HeNormal", json!({})),
        Init::LecunUniform => ("LecunUniform", json!({})),
        Init::LecunNormal => ("LecunNormal", json!({})),
        // Its uniform values are below the root of three times the scale, divided by the inputs.
        Init::Torch => {
            let config = json!({ "scale": 1.0 / 3.0, "mode": "fan_in", "distribution": "uniform" });
            ("VarianceScaling", config)
        }
        Init::Normal { stddev } => ("RandomNormal", json!({ "mean": 0.0, "stddev": stddev })),
        Init::Uniform { limit } => (
            "RandomUniform",
            json!({ "minval": -limit, "maxval": limit }),
        ),
    };
    object("keras.initializers", class, config)
}

/// An initialiser that this crate does not have becomes Keras's default: the weights come from the file.
pub(super) fn read_initializer(value: Option<&Value>) -> Init {
    let Some(value) = value else {
        return Init::GlorotUniform;
    };
    let config = &value["config"];
    let number = |key: &str| config[key].as_f64();
    match value["class_name"].as_str() {
        Some("Zeros") => Init::Zeros,
        Some("Ones") => Init::Ones,
        Some("GlorotNormal") => Init::GlorotNormal,
        Some("HeUniform") => Init::HeUniform,
        Some("HeNormal") => Init::HeNormal,
        Some("LecunUniform") => Init::LecunUniform,
        Some("LecunNormal") => Init::LecunNormal,
        Some("RandomNormal") if number("mean") == Some(0.0) => Init::Normal {
            stddev: number("stddev").unwrap_or(0.05),
        },
        Some("RandomUniform") if number("minval") == number("maxval").map(|limit| -limit) => {
            Init::Uniform {
                limit: number("maxval").unwrap_or(0.05),
            }
        }
        Some("VarianceScaling") if *config == write_initializer(Init::Torch)["config"] => {
            Init::Torch
        }
        _ => Init::GlorotUniform,
    }
}

fn object(module: &str, class: &str, config: Value) -> Value {
    json!({ "module": module, "class_name": class, "config": config, "registered_name": null })
}
