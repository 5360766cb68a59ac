//! Pictures of the user's own.

use std::fs;
use std::path::Path;

use fmnist_lib::{Dataset, FashionMnist};

/// A picture of one of the images, four times as large: dark on bright, bright on black, and on
/// nothing.
#[test]
fn a_picture_becomes_the_image_it_was_made_from() {
    let data = FashionMnist::load().unwrap();
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
        let pairs = read.images().iter().zip(data.train.image(index));
        let apart = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / 784.0;
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
