//! Refuses a Parquet file that `candle-datasets` would choke on.

use std::{fs::File, path::Path};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};

/// How a PNG file of 28×28 pixels begins: the signature, then the header chunk with the size.
const PNG_28X28: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x1c\0\0\0\x1c";

/// Checks that `path` has `rows` rows of one 28×28 PNG image each.
///
/// `candle-datasets` believes the row count when it allocates, and expands images of any size.
pub(crate) fn check(path: &Path, rows: u32) -> Result<(), String> {
    let refuse = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| refuse(&error))?;
    let reader = SerializedFileReader::new(file).map_err(|error| refuse(&error))?;
    let found = reader.metadata().file_metadata().num_rows();
    if found != i64::from(rows) {
        let images = if found == 1 { "image" } else { "images" };
        return Err(refuse(&format!("{found} {images} instead of {rows}")));
    }
    for (index, row) in reader.into_iter().enumerate() {
        let row = row.map_err(|error| refuse(&error))?;
        if !has_one_image(&row) {
            return Err(refuse(&format!("row {index} is not a 28x28 PNG image")));
        }
    }
    Ok(())
}

/// Whether the row is what candle-datasets expects: one group, in which bytes mean an image.
fn has_one_image(row: &Row) -> bool {
    let mut images = row
        .get_column_iter()
        .filter_map(|(_, field)| match field {
            Field::Group(group) => Some(group),
            _ => None,
        })
        .flat_map(Row::get_column_iter)
        .filter_map(|(_, field)| match field {
            Field::Bytes(bytes) => Some(bytes.data()),
            _ => None,
        });
    images
        .next()
        .is_some_and(|image| image.starts_with(PNG_28X28))
        && images.next().is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::PNG_28X28;

    #[test]
    fn the_prefix_is_that_of_a_png_encoder() {
        let mut png = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(28, 28)
            .write_to(&mut png, image::ImageFormat::Png)
            .unwrap();
        assert!(png.into_inner().starts_with(PNG_28X28));
    }
}
