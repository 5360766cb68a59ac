//! Settings of an operator.

use fmnist_kernels::Windows;

use super::proto::{AttributeProto, attribute_type};

pub(super) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(value as f32),
        r#type: attribute_type::FLOAT,
        ..Default::default()
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value),
        r#type: attribute_type::INT,
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|&value| value as i64).collect(),
        r#type: attribute_type::INTS,
        ..Default::default()
    }
}

pub(super) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        s: Some(value.into()),
        r#type: attribute_type::STRING,
        ..Default::default()
    }
}

/// Of a convolution or a pool.
pub(super) fn of_windows(windows: &Windows) -> [AttributeProto; 3] {
    let [[top, bottom], [left, right]] = windows.padding;
    [
        ints("kernel_shape", &windows.window),
        ints("strides", &windows.strides),
        ints("pads", &[top, left, bottom, right]),
    ]
}
