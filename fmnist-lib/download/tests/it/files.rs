//! The two files of the Hub, made of the real data.
use std::sync::{Arc, LazyLock};

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use parquet::{
    basic,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use crate::data::{Images, real};
use crate::hub::Reply;

/// What the Hub's converter makes: image{bytes, path} and label, in several row groups.
pub(crate) fn parquet(images: &[Vec<u8>], labels: &[u8]) -> Reply {
    let schema = "message schema {
        optional group image { optional binary bytes; optional binary path (UTF8); }
        optional int64 label;
    }";
    let properties = WriterProperties::builder()
        .set_compression(basic::Compression::SNAPPY)
        .set_dictionary_enabled(false);
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(
        &mut file,
        Arc::new(parse_message_type(schema).unwrap()),
        Arc::new(properties.build()),
    )
    .unwrap();
    for (images, labels) in images.chunks(7_000).zip(labels.chunks(7_000)) {
        let images: Vec<_> = images
            .iter()
            .map(|png| ByteArray::from(png.clone()))
            .collect();
        let labels: Vec<_> = labels.iter().map(|&label| i64::from(label)).collect();
        // Definition levels: how many of the optional levels are there.
        let there = |level| vec![level; labels.len()];
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let bytes = column.typed::<ByteArrayType>();
        bytes.write_batch(&images, Some(&there(2)), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let path = column.typed::<ByteArrayType>();
        path.write_batch(&[], Some(&there(1)), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let label = column.typed::<Int64Type>();
        label.write_batch(&labels, Some(&there(1)), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    Reply::File(file.into())
}

pub(crate) fn png(pixels: &[u8]) -> Vec<u8> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new(&mut png);
    encoder
        .write_image(pixels, 28, 28, ExtendedColorType::L8)
        .unwrap();
    png
}

fn pngs(data: &Images) -> Vec<Vec<u8>> {
    data.pixels.chunks(784).map(png).collect()
}

pub(crate) static TEST_PNGS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| pngs(&real().test));
pub(crate) static TRAIN: LazyLock<Reply> =
    LazyLock::new(|| parquet(&pngs(&real().train), &real().train.labels));
pub(crate) static TEST: LazyLock<Reply> =
    LazyLock::new(|| parquet(&TEST_PNGS, &real().test.labels));

/// The test file, but for image 5.
pub(crate) fn test_with(image: Vec<u8>) -> Reply {
    let mut images = TEST_PNGS.clone();
    images[5] = image;
    parquet(&images, &real().test.labels)
}
