//! Pictures of the user's own.

use std::fs;
use std::path::Path;

use fmnist_lib::Dataset;
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, Luma};

use crate::real_data::real;

/// A picture of one of the images, four times as large: dark on bright, bright on black, and on
/// nothing.
#[test]
fn a_picture_becomes_the_image_it_was_made_from() {
    let data = real();
    let folder = tempfile::tempdir().unwrap();
    let zoomed = |index: usize, pixel: fn(u8) -> [u8; 4]| {
        let image = data.train.image(index).to_vec();
        image::RgbaImage::from_fn(112, 112, |x, y| {
            image::Rgba(pixel(image[(y / 4 * 28 + x / 4) as usize]))
        })
    };
    let looks: [fn(u8) -> [u8; 4]; 3] = [
        |value| [value, value, value, 255],
        |value| [255 - value, 255 - value, 255 - value, 255],
        |value| [0, 0, 0, value],
    ];
    for (index, look) in looks.into_iter().enumerate() {
        let path = folder.path().join("mine.png");
        zoomed(index, look).save(&path).unwrap();
        let read = Dataset::from_pictures(&[(&path, data.train.labels()[index])]).unwrap();
        let apart = apart(&read, &data.train.select(&[index]).unwrap());
        // The triangle filter looks a little past the edges of the 4x4 blocks.
        assert!(apart < 10.0, "picture {index}: {apart} apart");
    }
}

#[test]
fn a_picture_keeps_its_proportions_and_a_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    image::GrayImage::from_pixel(10, 200, image::Luma([255]))
        .save(path("tall.png"))
        .unwrap();
    let mut framed = image::GrayImage::new(100, 50);
    image::imageops::replace(
        &mut framed,
        &image::GrayImage::from_pixel(98, 48, image::Luma([200])),
        1,
        1,
    );
    framed.save(path("wide.png")).unwrap();
    let wide = Dataset::from_pictures(&[(path("wide.png"), 8)]).unwrap();
    let row = |row: usize| wide.images()[row * 28 + 14];
    assert_eq!(
        [row(6), row(14), row(21)],
        [0, 200, 0],
        "half as high as wide, in the middle"
    );
    // All bright: background only.
    let tall = Dataset::from_pictures(&[(path("tall.png"), 1)]).unwrap();
    assert!(tall.images().iter().all(|&pixel| pixel == 0));

    let refused = |path: &Path| {
        Dataset::from_pictures(&[(path, 1)])
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&path("none.png")).contains("cannot read"));
    fs::write(path("text.png"), "no picture").unwrap();
    let message = refused(&path("text.png"));
    assert!(
        message.contains("text.png: not a picture") && message.contains("PNG or JPEG"),
        "{message}"
    );
    let whole = fs::read(path("wide.png")).unwrap();
    fs::write(path("cut.png"), &whole[..whole.len() / 2]).unwrap();
    assert!(refused(&path("cut.png")).contains("cut.png: not a picture"));
    assert!(
        Dataset::from_pictures(&[(path("wide.png"), 10)])
            .unwrap_err()
            .to_string()
            .contains("label 10")
    );
}

/// What a camera writes into a file about how it was held: EXIF with the tag "orientation" alone.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend([0, orientation, 0, 0, 0, 0, 0, 0]);
    exif
}

/// `upright` as a camera held in that way stores it: the EXIF standard says on which side of the
/// scene the first row and the first column lie.
fn stored(upright: &GrayImage, orientation: u8) -> GrayImage {
    let (width, height) = upright.dimensions();
    let (right, bottom) = (width - 1, height - 1);
    let lying = orientation > 4;
    let (columns, rows) = if lying {
        (height, width)
    } else {
        (width, height)
    };
    GrayImage::from_fn(columns, rows, |column, row| {
        let (x, y) = match orientation {
            1 => (column, row),
            2 => (right - column, row),
            3 => (right - column, bottom - row),
            4 => (column, bottom - row),
            5 => (row, column),
            6 => (right - row, column),
            7 => (right - row, bottom - column),
            _ => (row, bottom - column),
        };
        *upright.get_pixel(x, y)
    })
}

#[test]
fn a_picture_is_turned_as_its_camera_was_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let read = |name: &str| Dataset::from_pictures(&[(path(name), 1)]).unwrap();
    // An F, which no turn and no mirror makes the same.
    let upright = GrayImage::from_fn(80, 120, |x, y| {
        let stroke = (20..35).contains(&x) && (10..110).contains(&y);
        let bars = (35..65).contains(&x) && ((10..25).contains(&y) || (50..65).contains(&y));
        Luma([if stroke || bars { 230 } else { 0 }])
    });
    upright.save(path("upright.png")).unwrap();
    let expected = read("upright.png");
    for orientation in 1..=8 {
        let turned = stored(&upright, orientation);
        let (width, height) = turned.dimensions();
        let mut bytes = Vec::new();
        let mut png = PngEncoder::new(&mut bytes);
        png.set_exif_metadata(exif(orientation)).unwrap();
        png.write_image(&turned, width, height, ExtendedColorType::L8)
            .unwrap();
        fs::write(path("turned.png"), &bytes).unwrap();
        assert_eq!(read("turned.png"), expected, "{orientation}");

        bytes.clear();
        let mut jpeg = JpegEncoder::new_with_quality(&mut bytes, 95);
        jpeg.set_exif_metadata(exif(orientation)).unwrap();
        jpeg.write_image(&turned, width, height, ExtendedColorType::L8)
            .unwrap();
        fs::write(path("turned.jpg"), &bytes).unwrap();
        assert!(apart(&read("turned.jpg"), &expected) < 2.0, "{orientation}");
    }
    // A number that no camera writes is no orientation.
    let mut bytes = Vec::new();
    let mut png = PngEncoder::new(&mut bytes);
    png.set_exif_metadata(exif(9)).unwrap();
    png.write_image(&upright, 80, 120, ExtendedColorType::L8)
        .unwrap();
    fs::write(path("odd.png"), &bytes).unwrap();
    assert_eq!(read("odd.png"), expected);
}

/// Mean difference of two pictures' pixels.
fn apart(one: &Dataset, other: &Dataset) -> f64 {
    let pairs = one.images().iter().zip(other.images());
    pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / one.images().len() as f64
}

/// A shape of brightness `value`, cut out of its background, in every kind of file that can say so.
fn cut_out(value: u8) -> Vec<(&'static str, Vec<u8>)> {
    // A shirt without a neck, and so large that it touches three edges.
    let inside = |x: u32, y: u32| (12..28).contains(&x) || (2..14).contains(&y);
    let pixels = image::GrayAlphaImage::from_fn(40, 40, |x, y| {
        // What lies under the transparency plays no part.
        image::LumaA(if inside(x, y) { [value, 255] } else { [128, 0] })
    });
    let grey = DynamicImage::from(pixels);
    let encoded = |picture: DynamicImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    };
    // A palette of two colours, of which the first is transparent.
    let mut palette = Vec::new();
    let mut encoder = png::Encoder::new(&mut palette, 40, 40);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![90, 90, 90, value, value, value]);
    encoder.set_trns(vec![0, 255]);
    let indices: Vec<u8> = (0..1600)
        .map(|at| u8::from(inside(at % 40, at / 40)))
        .collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&indices)
        .unwrap();
    // One level of grey that stands for nothing.
    let mut keyed = Vec::new();
    let mut encoder = png::Encoder::new(&mut keyed, 40, 40);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_trns(vec![0, 128]);
    let levels: Vec<u8> = indices
        .iter()
        .map(|&index| if index == 1 { value } else { 128 })
        .collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&levels)
        .unwrap();
    vec![
        ("grey", encoded(grey.clone())),
        ("colour", encoded(grey.to_rgba8().into())),
        ("grey, 16 bits", encoded(grey.to_luma_alpha16().into())),
        ("colour, 16 bits", encoded(grey.to_rgba16().into())),
        ("palette", palette),
        ("one level", keyed),
    ]
}

#[test]
fn what_is_transparent_is_background_behind_bright_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shirt.png");
    for value in [0, 40, 100, 160, 255] {
        for (kind, bytes) in cut_out(value) {
            fs::write(&path, bytes).unwrap();
            let shirt = Dataset::from_pictures(&[(&path, 0)]).unwrap();
            let at = |row: usize, column: usize| shirt.images()[row * 28 + column];
            let case = format!("{kind} {value}: {:?}", shirt.image(0));
            assert!(at(14, 14) > 100 && at(5, 1) > 100, "{case}");
            assert!([at(20, 1), at(27, 0), at(27, 27)] == [0; 3], "{case}");
        }
    }
}

#[test]
fn a_photograph_with_round_corners_is_a_photograph() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("round.png");
    for (shirt, wall) in [(30, 240), (240, 30)] {
        image::GrayAlphaImage::from_fn(100, 100, |x, y| {
            let corner = x.min(99 - x) + y.min(99 - y) < 12;
            let inside = (30..70).contains(&x) && (20..80).contains(&y);
            image::LumaA([
                if inside { shirt } else { wall },
                if corner { 0 } else { 255 },
            ])
        })
        .save(&path)
        .unwrap();
        let read = Dataset::from_pictures(&[(&path, 0)]).unwrap();
        let at = |row: usize, column: usize| read.images()[row * 28 + column];
        assert!(
            at(14, 14) > 200 && at(14, 2) < 40 && at(0, 0) < 40,
            "{:?}",
            read.image(0)
        );
    }
}

#[test]
fn a_picture_of_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.png");
    image::RgbaImage::new(30, 30).save(&path).unwrap();
    let message = Dataset::from_pictures(&[(&path, 0)])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("nothing.png: all of it is transparent"),
        "{message}"
    );
}
