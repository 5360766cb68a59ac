//! Datasets other than Fashion-MNIST: of other shapes and classes, from the files of others.
use std::fs;
use std::path::Path;

use fmnist_lib::{
    Activation, Augmentation, Cifar10, ConfusionMatrix, Conv2d, Dataset, Dense, Emnist, Error,
    FitConfig, Flatten, GlobalAvgPool2d, Kmnist, Mnist, Model, ModelSpec, Predictions, Scaling,
    Split, TrainTest, candle_core::Device, evaluate, fit, one_layer, plot, predict, range_test,
};
use image::{DynamicImage, Rgb, RgbImage};
use rand::Rng;

use crate::idx::{gzip, idx};
use crate::random;

const COLOURS: [&str; 3] = ["red", "green & \"blue\"", "none"];

/// Noise in colour, 12×10 pixels: what stands out is the red, the green, or nothing.
fn colours(count: usize) -> Dataset {
    let mut random = random(7);
    let labels: Vec<u8> = (0..count).map(|at| (at % 3) as u8).collect();
    let mut images = Vec::new();
    for &label in &labels {
        for at in 0..12 * 10 * 3 {
            let stands_out = at % 3 == usize::from(label) && label < 2;
            images.push(random.random_range(0..128) + if stands_out { 100 } else { 0 });
        }
    }
    Dataset::of_shape([12, 10, 3], COLOURS, images, labels).unwrap()
}

fn network() -> ModelSpec {
    ModelSpec::new("colours")
        .input([12, 10, 3])
        .layer(
            "conv",
            Conv2d::new(4).kernel_size(3).activation(Activation::Relu),
        )
        .layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(3))
}

fn refusal<T>(result: fmnist_lib::Result<T>) -> String {
    result.err().expect("this cannot work").to_string()
}

#[test]
fn images_in_colour_of_three_classes_train_from_end_to_end() {
    let (train, validation) = Split::new(0.8, 1)
        .stratified()
        .apply(&colours(300))
        .unwrap();
    assert_eq!(
        (train.len(), train.classes(), train.shape()),
        (240, 3, [12, 10, 3])
    );
    let mut model = network().build(1).unwrap();
    let augmentation = Augmentation::new()
        .flip()
        .shift(2)
        .rotate(10.0)
        .zoom(0.1)
        .erase(0.2);
    let config = FitConfig::default()
        .epochs(8)
        .batch_size(16)
        .learning_rate(0.01);
    let run = fit(
        &mut model,
        &train,
        &validation,
        config.augmentation(augmentation),
    )
    .unwrap();
    assert!(
        run.history.epochs[7].val_accuracy > Some(0.95),
        "{:?}",
        run.history
    );

    // The shape and the number of classes go with the file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("colours.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    let measured = evaluate(&loaded, &validation).unwrap();
    assert_eq!(measured, evaluate(&model, &validation).unwrap());
    let said = predict(&loaded, &validation).unwrap();
    assert_eq!(said.probabilities[0].len(), 3);
    assert_eq!(
        said.evaluate(&validation).unwrap().confusion,
        measured.confusion
    );
    let both = [said, predict(&model, &validation.mirrored()).unwrap()];
    assert!(
        Predictions::mean(&both)
            .unwrap()
            .evaluate(&validation)
            .unwrap()
            .accuracy
            > 0.9
    );

    // Results keep the names of classes, and those of before have none.
    assert_eq!(measured.confusion.class_names(), COLOURS);
    let written = serde_json::to_string(&measured.confusion).unwrap();
    assert_eq!(
        serde_json::from_str::<ConfusionMatrix>(&written).unwrap(),
        measured.confusion
    );
    let fashion = ConfusionMatrix::new(&[0, 9], &[0, 9]).unwrap();
    let written = serde_json::to_value(&fashion).unwrap();
    assert_eq!(written.as_object().unwrap().len(), 1, "{written}");
    assert_eq!(
        serde_json::from_value::<ConfusionMatrix>(written).unwrap(),
        fashion
    );
    assert_eq!(fashion.class_names()[9], "Ankle boot");

    // Figures show the names, and images in their colours.
    let show = |figure: fmnist_lib::plot::Figure, end: &str| {
        let path = folder.path().join(format!("figure.{end}"));
        figure.save(&path).unwrap();
        fs::read(path).unwrap()
    };
    let svg = String::from_utf8(show(plot::confusion(&measured.confusion), "svg")).unwrap();
    assert!(
        svg.contains(">red<") && svg.contains(">green &amp; &quot;blue&quot;<"),
        "{svg}"
    );
    let png = show(plot::image_grid(&validation, 3, 1).unwrap(), "png");
    let png = image::load_from_memory(&png).unwrap().into_rgb8();
    assert!(
        png.pixels()
            .any(|&Rgb([r, g, b])| r > 130 && g < 100 && b < 100)
    );
}

#[test]
fn what_does_not_fit_together_is_refused_with_a_remedy() {
    let (data, fashion) = (colours(6), Dataset::new(vec![0; 784], vec![9]).unwrap());
    let mut model = network().build(1).unwrap();
    let wrong_shape = [
        refusal(fit(&mut model, &fashion, None, FitConfig::default())),
        refusal(fit(&mut model, &data, &fashion, FitConfig::default())),
        refusal(evaluate(&model, &fashion)),
        refusal(predict(&model, &fashion)),
        refusal(range_test(
            &network(),
            &fashion,
            1e-5..=1.0,
            &FitConfig::default(),
        )),
        refusal(fmnist_lib::gradient_noise(
            &model,
            &fashion.select(&[0; 4]).unwrap(),
            1,
            2,
            1,
        )),
    ];
    for found in wrong_shape {
        let said = "model colours takes images of [12, 10, 3] (height, width, channels), but these are of \
                    [28, 28, 1]";
        assert!(
            found.contains(said) && found.contains("Dataset::resized"),
            "{found}"
        );
    }
    let mut ten = one_layer().input([12, 10, 3]).build(1).unwrap();
    let found = refusal(fit(&mut ten, &data, None, FitConfig::default()));
    assert!(
        found.contains("with the last layer Output: it gives [10] for each image"),
        "{found}"
    );
    assert!(
        found.ends_with("one for each class, as Dense::new(3) gives them"),
        "{found}"
    );
    let said = predict(&model, &data).unwrap();
    let six = Dataset::new(vec![0; 6 * 784], vec![0; 6]).unwrap();
    let found = refusal(said.evaluate(&six));
    assert_eq!(
        found,
        "these predictions are of 3 classes, but the images of 10"
    );
    assert!(
        refusal(plot::predictions(&data, &[0], &[3; 6])).contains("class 3 is not one of 0 to 2")
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    model.save(&file).unwrap();
    let mut other = network().input([12, 11, 3]).build(1).unwrap();
    let found = refusal(other.restore(&file));
    assert!(
        found.contains("takes images of [12, 10, 3], but model colours of [12, 11, 3]"),
        "{found}"
    );

    let of = |shape, names: &[&str], bytes, labels: &[u8]| {
        refusal(Dataset::of_shape(
            shape,
            names.to_vec(),
            vec![0; bytes],
            labels.to_vec(),
        ))
    };
    for (found, said) in [
        (
            of([2, 2, 3], &["a"], 12, &[1]),
            "label 1 of image 0 is not one of the classes 0 to 0",
        ),
        (
            of([2, 2, 3], &["a"], 11, &[0]),
            "cannot pair 11 bytes of pixels with 1 label: each label needs 12 (2x2x3)",
        ),
        (
            of([2, 0, 3], &["a"], 0, &[]),
            "images cannot be of 2x0x3 pixels",
        ),
        (
            of([usize::MAX, 2, 1], &["a"], 0, &[]),
            "images cannot be of",
        ),
        (of([2, 2, 1], &[], 0, &[]), "1 to 256 classes, not 0"),
        (
            of([2, 2, 1], &[""; 257], 0, &[]),
            "1 to 256 classes, not 257",
        ),
        (
            refusal(data.resized(0, 3)),
            "sides of 1 to 4096 pixels, not to 0x3",
        ),
        (
            refusal(Augmentation::new().shift(10).apply(&data, 1, 1)),
            "leaves nothing of an image of 10",
        ),
        (
            refusal(Augmentation::new().rotate(f64::NAN).apply(&data, 1, 1)),
            "0 to 180 degrees",
        ),
        (
            refusal(Augmentation::new().zoom(1.0).apply(&data, 1, 1)),
            "less than 1",
        ),
    ] {
        assert!(found.contains(said), "{found}");
    }
}

/// By `Image.resize(…, Image.BILINEAR)` of Pillow 13.0.0, for `(numpy.arange(5*7*3) * 37) % 256`.
#[test]
fn images_are_resized_as_pillow_does() {
    let pixels = (0..5 * 7 * 3).map(|at| (at * 37 % 256) as u8).collect();
    let data = Dataset::of_shape([5, 7, 3], ["one"], pixels, vec![0]).unwrap();
    let smaller = [
        62, 87, 124, 163, 67, 104, 132, 169, 73, 112, 149, 174, 76, 101, 138, 177, 81, 118, 146,
        183, 87, 126, 163, 188, 83, 115, 152, 115, 95, 132, 160, 121, 101, 140, 170, 126,
    ];
    let first_of_larger = [
        0, 37, 74, 74, 111, 148, 160, 84, 121, 190, 28, 65, 77, 114, 151, 163, 200, 38, 107, 144,
        68, 80, 117, 154, 154, 191, 228,
    ];
    for ((height, width), expected) in [((3, 4), &smaller[..]), ((7, 9), &first_of_larger)] {
        let resized = data.resized(height, width).unwrap();
        assert_eq!(resized.shape(), [height, width, 3]);
        let found = resized.image(0).iter().zip(expected);
        for (at, (&found, &expected)) in found.enumerate() {
            assert!(
                found.abs_diff(expected) <= 1,
                "{at}: {found} for {expected}"
            );
        }
    }
    assert!(data.resized(5, 7).unwrap() == data);
    let mirrored = data.mirrored();
    assert_eq!(mirrored.image(0)[..3], data.image(0)[18..21]);
    assert!(mirrored.mirrored() == data);
    let tensor = data.to_tensor(Scaling::Unit, &Device::Cpu).unwrap();
    assert_eq!(tensor.dims(), [1, 5, 7, 3]);
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(
        values
            .iter()
            .zip(data.images())
            .all(|(value, &pixel)| *value == f32::from(pixel) / 255.0)
    );
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn the_files_of_mnist_and_its_followers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..=255).cycle().take(3 * 784).collect();
    let images = |count: u32| idx(&[2051, count, 28, 28], &pixels[..count as usize * 784]);
    let labels = |labels: &[u8]| idx(&[2049, labels.len() as u32], labels);
    write(
        folder.path(),
        &[
            ("train-images-idx3-ubyte.gz", gzip(&images(3))),
            ("train-labels-idx1-ubyte.gz", gzip(&labels(&[5, 0, 4]))),
            ("t10k-images-idx3-ubyte", images(1)),
            ("t10k-labels-idx1-ubyte", labels(&[7])),
        ],
    );
    let TrainTest { train, test } = Mnist::load_from(folder.path()).unwrap();
    assert_eq!(
        (train.len(), test.len(), train.shape()),
        (3, 1, [28, 28, 1])
    );
    assert_eq!(
        (train.images(), train.labels()),
        (&pixels[..], &[5, 0, 4][..])
    );
    assert_eq!(
        (train.class_names()[5].as_str(), test.labels()),
        ("5", &[7][..])
    );
    let TrainTest { train, .. } = Kmnist::load_from(folder.path()).unwrap();
    assert_eq!(train.class_names()[2], "su");

    // EMNIST stores columns for rows: here a stroke down the left side lies along the top.
    let mut lying = vec![0; 784];
    lying[..28].fill(200);
    let letters = |set: &str, label| {
        let files = [
            (
                format!("emnist-letters-{set}-images-idx3-ubyte"),
                idx(&[2051, 1, 28, 28], &lying),
            ),
            (
                format!("emnist-letters-{set}-labels-idx1-ubyte"),
                labels(&[label]),
            ),
        ];
        write(
            folder.path(),
            &files
                .each_ref()
                .map(|(name, bytes)| (name.as_str(), bytes.clone())),
        );
    };
    letters("train", 12);
    letters("test", 26);
    let TrainTest { train, test } = Emnist::Letters.load_from(folder.path()).unwrap();
    assert!(
        train
            .image(0)
            .iter()
            .enumerate()
            .all(|(at, &pixel)| (pixel == 200) == (at % 28 == 0))
    );
    let name = |data: &Dataset| data.class_names()[usize::from(data.labels()[0])].clone();
    assert_eq!(
        (name(&train), name(&test), train.classes()),
        ("L".into(), "Z".into(), 26)
    );
    letters("test", 0);
    let found = refusal(Emnist::Letters.load_from(folder.path()));
    assert!(found.contains("label 0 of image 0 is no letter"), "{found}");
    let found = refusal(Emnist::ByClass.load_from(folder.path()));
    assert!(
        found.contains("neither emnist-byclass-train-images-idx3-ubyte.gz nor"),
        "{found}"
    );
}

#[test]
fn damaged_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let good = idx(&[2049, 2], &[0, 1]);
    for (images, labels, said) in [
        (
            idx(&[2051, 2, 1, 1], &[0, 1]),
            idx(&[2049, 2], &[0, 2]),
            "label 2 of image 1 is not one of",
        ),
        (
            idx(&[2051, 3, 1, 1], &[0, 1, 2]),
            good.clone(),
            "cannot pair 3 bytes of pixels with 2 labels",
        ),
        (
            idx(&[2051, 2, 1, 1], &[0]),
            good.clone(),
            "promises 2 bytes, but it ends after 1",
        ),
        (
            idx(&[2051, 2, 1, 1], &[0; 3]),
            good.clone(),
            "promises 2 bytes, but more follow",
        ),
        (
            idx(&[2051, u32::MAX, u32::MAX, u32::MAX], &[0]),
            good.clone(),
            "it ends after 1",
        ),
        (
            idx(&[2051, 0, 0, 0], &[]),
            idx(&[2049, 0], &[]),
            "images cannot be of 0x0 pixels",
        ),
        (
            good.clone(),
            good.clone(),
            "the magic number is 2049 instead of 2051",
        ),
        (
            gzip(&idx(&[2051, 2, 1, 1], &[0, 1]))[..20].to_vec(),
            good.clone(),
            "the file ends or breaks",
        ),
        (
            Vec::new(),
            good,
            "the file ends or breaks at its magic number",
        ),
    ] {
        write(folder.path(), &[("images", images), ("labels", labels)]);
        let result = Dataset::from_idx(path("images"), path("labels"), ["a", "b"]);
        assert!(matches!(result, Err(Error::Data { .. })), "{result:?}");
        let found = refusal(result);
        assert!(found.contains(said) && found.contains("images"), "{found}");
    }
    assert!(matches!(
        Dataset::from_idx(path("no"), path("labels"), ["a"]),
        Err(Error::Io { .. })
    ));
    let found = refusal(Mnist::load_from(path("none")));
    assert!(found.contains("none: there is no such folder"), "{found}");
}

#[test]
fn cifar_is_read_from_its_binary_version() {
    let folder = tempfile::tempdir().unwrap();
    let record = |label: u8| {
        let planes = [10, 20, 30].map(|value| vec![value; 1024]).concat();
        [vec![label], planes].concat()
    };
    for part in 1..=5 {
        write(
            folder.path(),
            &[(
                &format!("data_batch_{part}.bin"),
                [record(part), record(9)].concat(),
            )],
        );
    }
    let mut last = record(0);
    last[1024] = 1; // the last red
    last[1025] = 2; // the first green
    write(folder.path(), &[("test_batch.bin", last)]);
    let TrainTest { train, test } = Cifar10::load_from(folder.path()).unwrap();
    assert_eq!(
        (train.shape(), train.labels()),
        ([32, 32, 3], &[1, 9, 2, 9, 3, 9, 4, 9, 5, 9][..])
    );
    assert_eq!(train.class_names()[5], "dog");
    assert_eq!(test.image(0)[..6], [10, 2, 30, 10, 20, 30]);
    assert_eq!(test.image(0)[3069..], [1, 20, 30]);

    for (bytes, said) in [
        (record(10), "label 10"),
        (record(0)[1..].to_vec(), "3072 bytes"),
        (vec![], "0 bytes"),
    ] {
        write(folder.path(), &[("data_batch_3.bin", bytes)]);
        let found = refusal(Cifar10::load_from(folder.path()));
        assert!(
            found.contains(said) && found.contains("data_batch_3.bin"),
            "{found}"
        );
    }
    fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
    assert!(matches!(
        Cifar10::load_from(folder.path()),
        Err(Error::Io { .. })
    ));
}

#[test]
fn a_folder_for_each_class_is_a_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for class in ["b-cats", "a <dogs>", "c-empty", ".hidden"] {
        fs::create_dir(path(class)).unwrap();
    }
    let picture = |colour| DynamicImage::from(RgbImage::from_pixel(40, 20, Rgb(colour)));
    picture([200, 0, 0]).save(path("b-cats/2.png")).unwrap();
    picture([0, 200, 0]).save(path("b-cats/1.JPG")).unwrap();
    picture([0, 0, 200]).save(path("a <dogs>/x.ppm")).unwrap();
    picture([9, 9, 9]).save(path(".hidden/x.png")).unwrap();
    write(
        folder.path(),
        &[
            ("b-cats/notes.txt", vec![1]),
            ("readme.png", vec![1]),
            ("b-cats/.x.png", vec![1]),
        ],
    );
    let data = Dataset::from_folder(folder.path(), [4, 6, 3]).unwrap();
    assert_eq!(data.class_names(), ["a <dogs>", "b-cats", "c-empty"]);
    assert_eq!((data.labels(), data.shape()), (&[0, 1, 1][..], [4, 6, 3]));
    assert_eq!(data.image(0), [0, 0, 200].repeat(24));
    assert!(data.image(1)[1].abs_diff(200) < 4, "{:?}", data.image(1));
    assert_eq!(data.image(2), [200, 0, 0].repeat(24));
    let grey = Dataset::from_folder(folder.path(), [4, 6, 1]).unwrap();
    assert!(
        grey.image(2).iter().all(|&pixel| pixel == grey.image(2)[0]),
        "{:?}",
        grey.image(2)
    );
    // As good as any other for a network.
    let spec = ModelSpec::new("folder")
        .input(data.shape())
        .layer("flatten", Flatten);
    let mut model = spec
        .layer("output", Dense::new(data.classes()))
        .build(1)
        .unwrap();
    fit(&mut model, &data, None, FitConfig::default().epochs(1)).unwrap();

    let found = refusal(Dataset::from_folder(folder.path(), [4, 6, 4]));
    assert!(found.contains("1 channel (grey) or 3"), "{found}");
    assert!(refusal(Dataset::from_folder(folder.path(), [0, 6, 3])).contains("sides of 1 to 4096"));
    write(
        folder.path(),
        &[("c-empty/broken.png", b"GIF89a?".to_vec())],
    );
    let found = refusal(Dataset::from_folder(folder.path(), [4, 6, 3]));
    assert!(
        found.contains("broken.png: not a picture that can be read"),
        "{found}"
    );
    let found = refusal(Dataset::from_folder(path("b-cats"), [4, 6, 3]));
    assert!(found.contains("each class needs a folder"), "{found}");
    assert!(
        refusal(Dataset::from_folder(path("no"), [4, 6, 3])).contains("there is no such folder")
    );
}
