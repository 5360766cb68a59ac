//! Scalars, images and histograms as TensorFlow 2's `tf.summary` writes them: a tensor, and the plugin that shows it.

use super::proto::{
    Dim, PluginData, SummaryMetadata, TensorProto, TensorShapeProto, Value, data_type,
};

/// As many as `tf.summary.histogram` makes where nobody says.
const BUCKETS: usize = 30;

pub(super) fn scalar(tag: &str, value: f32) -> Value {
    let tensor = TensorProto {
        dtype: data_type::FLOAT,
        float_val: vec![value],
        ..TensorProto::default()
    };
    shown_by("scalars", tag, tensor, &[])
}

/// A PNG file of this width and height.
pub(super) fn image(tag: &str, (width, height): (usize, usize), png: Vec<u8>) -> Value {
    let size = [width, height].map(|pixels| pixels.to_string().into_bytes());
    let tensor = TensorProto {
        dtype: data_type::STRING,
        string_val: size.into_iter().chain([png]).collect(),
        ..TensorProto::default()
    };
    shown_by("images", tag, tensor, &[3])
}

/// How often which values are among `values`; those that are no finite numbers are left out.
pub(super) fn histogram(tag: &str, values: &[f64]) -> Value {
    let tensor = TensorProto {
        dtype: data_type::DOUBLE,
        double_val: buckets(values),
        ..TensorProto::default()
    };
    shown_by("histograms", tag, tensor, &[BUCKETS as i64, 3])
}

fn shown_by(plugin: &str, tag: &str, tensor: TensorProto, shape: &[i64]) -> Value {
    let dim = shape.iter().map(|&size| Dim { size }).collect();
    Value {
        tag: tag.to_owned(),
        tensor: Some(TensorProto {
            tensor_shape: Some(TensorShapeProto { dim }),
            ..tensor
        }),
        metadata: Some(SummaryMetadata {
            plugin_data: Some(PluginData {
                plugin_name: plugin.to_owned(),
            }),
        }),
    }
}

/// For each bucket its left edge, its right edge and the number of values in it. All are equally wide; where there is
/// but one value, they have no width, and the last holds all (`tensorboard/plugins/histogram/summary_v2.py`).
fn buckets(values: &[f64]) -> Vec<f64> {
    let values = || values.iter().copied().filter(|value| value.is_finite());
    let least = values().reduce(f64::min).unwrap_or(0.0);
    let most = values().reduce(f64::max).unwrap_or(0.0);
    let width = (most - least) / BUCKETS as f64;
    let mut counts = [0.0; BUCKETS];
    for value in values() {
        let bucket = match width > 0.0 {
            true => ((value - least) / width) as usize,
            false => BUCKETS,
        };
        counts[bucket.min(BUCKETS - 1)] += 1.0;
    }
    let edge = |bucket: usize| match bucket {
        BUCKETS => most,
        _ => least + bucket as f64 * width,
    };
    let rows = counts.into_iter().enumerate();
    rows.flat_map(|(bucket, count)| [edge(bucket), edge(bucket + 1), count])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::buckets;

    fn counts(values: &[f64]) -> Vec<f64> {
        buckets(values).into_iter().skip(2).step_by(3).collect()
    }

    #[test]
    fn edges_count_once_and_what_is_no_number_not_at_all() {
        let mut expected = [0.0; 30];
        (expected[0], expected[15], expected[29]) = (1.0, 1.0, 2.0);
        let values = [f64::NAN, 0.0, 1.5, 2.99, f64::INFINITY, 3.0];
        assert_eq!(counts(&values), expected);
    }

    #[test]
    fn one_value_and_none() {
        let mut expected = [0.0; 30];
        assert_eq!(buckets(&[]), [0.0; 90]);
        expected[29] = 2.0;
        assert_eq!(counts(&[0.1, 0.1]), expected);
        assert_eq!(buckets(&[0.1, 0.1])[..2], [0.1, 0.1]);
    }
}
