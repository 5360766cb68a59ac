//! Figures, read back: the SVG as XML, the PNG as pixels.

use fmnist_lib::plot::{self, Axes, Figure};
use fmnist_lib::{
    CLASS_NAMES, ConfusionMatrix, Dataset, EpochRecord, History, PIXELS, RocCurve, SIDE,
};
use roxmltree::{Document, Node};

const BLUE: &str = "#0072b2";
const VERMILLION: &str = "#d55e00";

/// `epochs` epochs whose validation loss is lowest at `best`.
fn history(epochs: usize, best: usize, level: f32) -> History {
    let record = |epoch: usize| {
        let falling = (-(epoch as f32) / 4.0).exp();
        let rising = epoch.saturating_sub(best) as f32 * 0.004;
        EpochRecord {
            epoch,
            loss: level + 0.5 * falling,
            accuracy: Some(0.96 - level / 4.0 - 0.2 * falling),
            val_loss: Some(level + 0.06 + 0.4 * falling + rising),
            val_accuracy: Some(0.94 - level / 4.0 - 0.15 * falling - rising / 20.0),
            learning_rate: 0.001,
            seconds: 1.0,
            images_per_second: 48_000.0,
        }
    };
    History {
        epochs: (1..=epochs).map(record).collect(),
    }
}

fn images(count: usize) -> Dataset {
    let pixels = (0..count * PIXELS).map(|i| (i * 7 % 251) as u8).collect();
    Dataset::new(pixels, (0..count).map(|i| (i % 10) as u8).collect()).unwrap()
}

pub(crate) fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap().to_owned()).collect()
}

pub(crate) fn decoded(png: &[u8]) -> image::RgbImage {
    image::load_from_memory(png).unwrap().to_rgb8()
}

fn has(image: &image::RgbImage, [r, g, b]: [u8; 3]) -> bool {
    image.pixels().any(|pixel| pixel.0 == [r, g, b])
}

pub(crate) fn number(node: Node, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// The sub-paths of all paths of one colour.
fn paths(document: &Document, stroke: &str) -> Vec<Vec<(f64, f64)>> {
    let nodes = document
        .descendants()
        .filter(|node| node.has_tag_name("path") && node.attribute("stroke") == Some(stroke));
    let point = |pair: &str| {
        let (x, y) = pair.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    nodes
        .flat_map(|node| node.attribute("d").unwrap().split('M').skip(1))
        .map(|piece| piece.split_whitespace().map(point).collect())
        .collect()
}

/// Where the gridline of a tick lies: at the height of its label's anchor, less half a capital.
fn tick(document: &Document, label: &str) -> (f64, f64) {
    let node = document
        .descendants()
        .find(|node| node.has_tag_name("text") && node.text() == Some(label))
        .unwrap_or_else(|| panic!("no tick {label}"));
    let capital = 0.693 * number(node, "font-size");
    (number(node, "x"), number(node, "y") - capital / 2.0)
}

#[test]
fn a_validation_curve_lies_where_the_ticks_say() {
    let history = history(50, 20, 0.2);
    let svg = plot::accuracy_curves(&[("1_Layer", &history)])
        .to_svg()
        .unwrap();
    let document = Document::parse(&svg).unwrap();
    let curve = paths(&document, BLUE)
        .into_iter()
        .find(|path| path.len() == 50)
        .expect("one piece with a point for each epoch");

    let ((x10, _), (x50, _)) = (tick(&document, "10"), tick(&document, "50"));
    let ((_, y80), (_, y90)) = (tick(&document, "80"), tick(&document, "90"));
    for (record, (x, y)) in history.epochs.iter().zip(curve) {
        let epoch = 10.0 + 40.0 * (x - x10) / (x50 - x10);
        let accuracy = 80.0 + 10.0 * (y - y80) / (y90 - y80);
        assert!((epoch - record.epoch as f64).abs() < 0.03, "{epoch}");
        let expected = 100.0 * f64::from(record.val_accuracy.unwrap());
        assert!(
            (accuracy - expected).abs() < 0.03,
            "{accuracy} for {expected}"
        );
    }
}

#[test]
fn training_is_dashed_validation_solid_and_the_best_epoch_marked() {
    let history = history(50, 20, 0.2);
    let best = history.best_epoch().unwrap();
    let svg = plot::loss_curves(&[("1_Layer", &history)])
        .to_svg()
        .unwrap();
    let document = Document::parse(&svg).unwrap();
    let pieces = paths(&document, BLUE);
    let solid = pieces.iter().find(|path| path.len() == 50).unwrap();
    assert!(pieces.len() > 30, "{} pieces are no dashes", pieces.len());

    let dot = document
        .descendants()
        .find(|node| node.has_tag_name("circle") && node.attribute("fill") == Some(BLUE))
        .unwrap();
    let expected = solid[best.epoch - 1];
    assert_eq!((number(dot, "cx"), number(dot, "cy")), expected);
    let label = format!("{:.3}", best.val_loss.unwrap());
    assert!(texts(&svg).contains(&label), "{label}");
    assert!(texts(&svg).contains(&format!("1_Layer (best epoch {})", best.epoch)));
}

#[test]
fn each_of_several_runs_has_its_colour_and_name() {
    let histories: Vec<_> = (0..6)
        .map(|i| history(30, 10 + i, 0.1 + 0.1 * i as f32))
        .collect();
    let names: Vec<_> = (0..6).map(|i| format!("<run> & {i}")).collect();
    let runs: Vec<_> = names.iter().map(String::as_str).zip(&histories).collect();
    let figure = plot::accuracy_curves(&runs);
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let colours = [BLUE, VERMILLION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
    let png = decoded(&figure.to_png().unwrap());
    for (colour, name) in colours.iter().zip(&names) {
        assert_eq!(
            paths(&document, colour)
                .iter()
                .filter(|p| p.len() == 30)
                .count(),
            1
        );
        assert!(
            texts(&svg).iter().any(|text| text.starts_with(name)),
            "{name}"
        );
        let channel = |at: usize| u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        assert!(has(&png, [channel(1), channel(3), channel(5)]), "{colour}");
    }
}

/// Powers of two lie evenly on a logarithmic axis, and lines go through the means.
#[test]
fn lines_go_through_means_on_the_axes_that_were_asked_for() {
    let points = [
        (64.0, 9.0),
        (32.0, 1.0),
        (32.0, 3.0),
        (128.0, f64::NAN),
        (256.0, 4.0),
    ];
    let axes = Axes::new("batch size", "loss (nats)").log_x();
    let figure = plot::lines(&axes, &[("runs", &points), ("none", &[])]);
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let line = &paths(&document, BLUE)[0];
    let ((x32, _), (x256, _)) = (tick(&document, "32"), tick(&document, "256"));
    let ((_, y2), (_, y10)) = (tick(&document, "2"), tick(&document, "10"));
    let value = |y: f64| 2.0 + 8.0 * (y - y2) / (y10 - y2);
    assert_eq!(line.len(), 2, "the NaN ends the line");
    let third = (x256 - x32) / 3.0;
    for ((x, y), (expected_x, expected)) in line.iter().zip([(x32, 2.0), (x32 + third, 9.0)]) {
        assert!((x - expected_x).abs() < 2.0, "{x} for {expected_x}");
        assert!(
            (value(*y) - expected).abs() < 0.05,
            "{} for {expected}",
            value(*y)
        );
    }
    let dots = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"));
    assert_eq!(
        dots.count(),
        5,
        "each run, and the lone mean behind the gap"
    );
    for text in [
        "batch size",
        "loss (nats)",
        "runs",
        "1 value that is not finite and positive is left out",
    ] {
        assert!(texts(&svg).contains(&text.to_owned()), "{text}");
    }
    assert!(
        figure
            .to_string()
            .contains("runs: 2 at 32, highest 9 at 64, 4 at 256"),
        "{figure}"
    );
    let nothing = plot::lines(&axes, &[("negative", &[(-1.0, 1.0)])])
        .to_svg()
        .unwrap();
    assert!(
        texts(&nothing)
            .iter()
            .any(|text| text.starts_with("nothing to draw"))
    );
    assert!(plot::lines(&axes, &[]).to_png().is_ok());
}

#[test]
fn strips_show_each_value_and_mean_and_deviation() {
    let strips: [(&str, &[f64]); 3] = [
        ("a", &[91.0, 92.0, 93.0]),
        ("b", &[92.5, f64::NAN]),
        ("c", &[f64::INFINITY]),
    ];
    let figure = plot::strips("accuracy (%)", &strips);
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let ((x91, _), (x93, _)) = (tick(&document, "91.0"), tick(&document, "93.0"));
    let dots = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"));
    let found: Vec<f64> = dots
        .map(|dot| 91.0 + 2.0 * (number(dot, "cx") - x91) / (x93 - x91))
        .collect();
    for (found, expected) in found.iter().zip([91.0, 92.0, 93.0, 92.5]) {
        assert!((found - expected).abs() < 0.01, "{found} for {expected}");
    }
    assert_eq!(found.len(), 4);
    for text in [
        "a",
        "92.00 ± 1.00",
        "92.50, 1 diverged",
        "1 diverged",
        "accuracy (%)",
    ] {
        assert!(texts(&svg).contains(&text.to_owned()), "{text}");
    }
    assert!(
        plot::strips("nothing (%)", &[("c", &[f64::NAN])])
            .to_png()
            .is_ok()
    );
    let none: [(&str, Vec<f64>); 0] = [];
    assert!(plot::strips("nothing (%)", &none).to_svg().is_ok());
}

#[test]
fn the_png_is_white_and_twice_the_svg() {
    let figure = plot::curves("2_Layer", &history(5, 3, 0.2));
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    let png = decoded(&figure.to_png().unwrap());
    let size = (f64::from(png.width()), f64::from(png.height()));
    assert_eq!(
        size,
        (2.0 * number(root, "width"), 2.0 * number(root, "height"))
    );
    let (right, bottom) = (png.width() - 1, png.height() - 1);
    for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom)] {
        assert_eq!(png.get_pixel(x, y).0, [255; 3]);
    }
    let background = document
        .descendants()
        .find(|n| n.has_tag_name("rect"))
        .unwrap();
    assert_eq!(background.attribute("fill"), Some("#ffffff"));
    assert_eq!(
        background.attribute("height"),
        root.attribute("viewBox").unwrap().split(' ').next_back()
    );
    for title in ["accuracy (%)", "loss", "epoch"] {
        assert!(texts(&svg).iter().any(|text| text == title), "{title}");
    }
}

#[test]
fn text_is_where_it_belongs_in_the_png() {
    // The svg says where "true class", turned by 90 degrees, stands; the png must have ink there.
    let figure = plot::confusion(&ConfusionMatrix::new(&[0, 1, 2], &[0, 1, 3]).unwrap());
    let svg = figure.to_svg().unwrap();
    let png = decoded(&figure.to_png().unwrap());
    let document = Document::parse(&svg).unwrap();
    let title = document
        .descendants()
        .find(|node| node.text() == Some("true class") && node.has_tag_name("text"))
        .unwrap();
    assert!(
        title
            .attribute("transform")
            .unwrap()
            .starts_with("rotate(270 ")
    );
    let half = number(title, "textLength") / 2.0;
    let (x, y) = (number(title, "x"), number(title, "y"));
    // Its place is the point about which it turns.
    let middle: f64 = title.attribute("transform").unwrap()[..]
        .split([' ', ')'])
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    assert!(y > middle);
    let rows: Vec<_> = (0..png.height())
        .filter(|&row| {
            (0..(x / 2.0) as u32 + 12).any(|column| png.get_pixel(column, row).0[0] < 128)
        })
        .collect();
    let (first, last) = (f64::from(rows[0]), f64::from(*rows.last().unwrap()));
    assert!((first - (middle - half) / 2.0).abs() < 4.0, "{first}");
    assert!((last - (middle + half) / 2.0).abs() < 4.0, "{last}");
}

#[test]
fn a_history_as_a_table_rounds_its_rates() {
    let mut history = history(4, 2, 0.2);
    let rates = [0.001, 0.000_295_215_658, 0.004_999_96, 2.003e-8];
    for (record, rate) in history.epochs.iter_mut().zip(rates) {
        record.learning_rate = rate;
    }
    let table = history.to_string();
    let column = table.lines().skip(1).map(|row| {
        let cells: Vec<&str> = row.split_whitespace().collect();
        cells[5]
    });
    assert_eq!(
        column.collect::<Vec<_>>(),
        ["0.001", "0.0002952", "0.005", "2.0e-8"]
    );
}

#[test]
fn histories_with_little_or_nothing_to_show() {
    let empty = History::default();
    let mut broken = history(4, 2, 0.2);
    broken.epochs[1].loss = f32::NAN;
    broken.epochs[2].val_loss = Some(f32::INFINITY);
    let mut bare = history(3, 2, 0.2);
    for record in &mut bare.epochs {
        (record.val_loss, record.val_accuracy) = (None, None);
    }
    let mut lost = history(1, 1, 0.2);
    (lost.epochs[0].loss, lost.epochs[0].val_loss) = (f32::NAN, Some(f32::NAN));

    let says = |figure: Figure, words: &str| {
        figure.to_png().unwrap();
        let svg = figure.to_svg().unwrap();
        assert!(
            texts(&svg).iter().any(|text| text.contains(words)),
            "{words}: {svg}"
        );
    };
    says(plot::loss_curves(&[]), "nothing to draw: no epoch");
    says(plot::curves("new", &empty), "new (no epochs yet)");
    says(
        plot::loss_curves(&[("broken", &broken)]),
        "2 values that are not finite are left out",
    );
    says(
        plot::loss_curves(&[("bare", &bare)]),
        "bare (no validation)",
    );
    says(
        plot::loss_curves(&[("lost", &lost)]),
        "none of the 2 values is finite",
    );
    says(
        plot::curves("one", &history(1, 1, 0.2)),
        "one (best epoch 1)",
    );

    // Epochs 1, 3 and 4 in training; 1 and 2, and 4 alone, in validation.
    let svg = plot::loss_curves(&[("broken", &broken)]).to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let circles = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"));
    let lone = circles
        .filter(|node| node.attribute("stroke") == Some(BLUE))
        .count();
    assert_eq!(lone, 1, "training of epoch 1");
}

#[test]
fn grid_pixels_are_the_datasets() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let dataset = images(7);
    let figure = plot::image_grid(&dataset, 3, 2).unwrap();
    let svg = figure.to_svg().unwrap();
    let png = decoded(&figure.to_png().unwrap());
    let document = Document::parse(&svg).unwrap();
    let nodes: Vec<_> = document
        .descendants()
        .filter(|n| n.has_tag_name("image"))
        .collect();
    assert_eq!(nodes.len(), 6);
    for (i, &node) in nodes.iter().enumerate() {
        let href = node.attribute("href").unwrap();
        let file = STANDARD
            .decode(href.strip_prefix("data:image/png;base64,").unwrap())
            .unwrap();
        let embedded = image::load_from_memory(&file).unwrap().to_luma8();
        assert_eq!(embedded.as_raw(), dataset.image(i));

        let (left, top) = (number(node, "x"), number(node, "y"));
        let zoom = number(node, "width") / SIDE as f64;
        for (at, &grey) in dataset.image(i).iter().enumerate() {
            let x = (left + zoom * ((at % SIDE) as f64 + 0.5)) / 2.0;
            let y = (top + zoom * ((at / SIDE) as f64 + 0.5)) / 2.0;
            assert_eq!(
                png.get_pixel(x as u32, y as u32).0,
                [grey; 3],
                "image {i}, pixel {at}"
            );
        }
    }
    assert_eq!(texts(&svg), CLASS_NAMES[..6]);
    assert!(svg.len() < 20_000, "{} bytes", svg.len());
}

#[test]
fn wrong_predictions_stand_out() {
    let dataset = images(20);
    let mut predicted = dataset.labels().to_vec();
    predicted[16] = 4;
    let figure = plot::predictions(&dataset, &[3, 16], &predicted).unwrap();
    assert_eq!(figure.to_string(), "1 of 2 images recognised");
    let svg = figure.to_svg().unwrap();
    assert_eq!(texts(&svg), ["Dress", "Shirt", "called Coat"]);
    let document = Document::parse(&svg).unwrap();
    let image = document
        .descendants()
        .filter(|n| n.has_tag_name("image"))
        .nth(1)
        .unwrap();
    let frame = document
        .descendants()
        .find(|n| n.has_tag_name("rect") && n.attribute("fill") == Some(VERMILLION))
        .unwrap();
    assert_eq!(number(frame, "x") + 12.0, number(image, "x"));
    assert_eq!(number(frame, "width") - 24.0, number(image, "width"));

    let error = |indices: &[usize], predicted: &[u8]| {
        plot::predictions(&dataset, indices, predicted)
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[0], &[1, 2]).contains("2 predictions for a dataset of 20 images"));
    assert!(error(&[20], &predicted).contains("no image 20"));
    assert!(error(&[0; 161], &predicted).contains("at most 160"));
    assert!(error(&[0], &[11; 20]).contains("class 11"));
    assert!(
        plot::image_grid(&dataset, 0, 3)
            .unwrap_err()
            .to_string()
            .contains("0 by 3")
    );
    assert!(
        plot::image_grid(&images(0), 2, 2)
            .unwrap()
            .to_svg()
            .unwrap()
            .contains("no images")
    );
}

#[test]
fn the_confusion_matrix_has_all_counts_and_darkens_with_them() {
    let labels: Vec<u8> = (0..200).map(|i| (i % 10) as u8).collect();
    let predicted: Vec<u8> = labels
        .iter()
        .enumerate()
        .map(|(i, &l)| if i < 70 && l == 6 { 0 } else { l })
        .collect();
    let figure = plot::confusion(&ConfusionMatrix::new(&labels, &predicted).unwrap());
    let summary =
        "96.50 % of 200 images right; most often mistaken: Shirt for T-shirt/top, 7 times";
    assert_eq!(figure.to_string(), summary);
    let svg = figure.to_svg().unwrap();
    let texts = texts(&svg);
    let count = |word: &str| texts.iter().filter(|text| *text == word).count();
    assert_eq!(
        (count("20"), count("13"), count("7"), count("0")),
        (9, 1, 1, 89)
    );
    for name in CLASS_NAMES {
        assert_eq!(count(name), 2, "{name} on both axes");
    }
    assert_eq!((count("true class"), count("predicted class")), (1, 1));
    let document = Document::parse(&svg).unwrap();
    let cells: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("rect"))
        .skip(1)
        .map(|node| node.attribute("fill").unwrap())
        .collect();
    let light = |row: usize, column: usize| {
        u8::from_str_radix(&cells[10 * row + column][1..3], 16).unwrap()
    };
    assert!(light(0, 0) < light(6, 6) && light(6, 6) < light(6, 0) && light(6, 0) < light(6, 1));
    figure.to_png().unwrap();
}

#[test]
fn saving_goes_by_the_extension_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let figure = plot::curves("run", &history(3, 2, 0.2));
    let (svg, png) = (folder.path().join("a.SVG"), folder.path().join("a.png"));
    figure.save(&svg).unwrap();
    figure.save(&png).unwrap();
    figure.save(&png).unwrap();
    assert_eq!(
        std::fs::read_to_string(&svg).unwrap(),
        figure.to_svg().unwrap()
    );
    assert_eq!(std::fs::read(&png).unwrap(), figure.to_png().unwrap());

    for name in ["a.pdf", "a", "png"] {
        let error = figure
            .save(folder.path().join(name))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(".svg or .png") && error.contains(name),
            "{error}"
        );
    }
    let error = figure
        .save(folder.path().join("none/a.svg"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no folder") && error.contains("create it"),
        "{error}"
    );
    std::fs::create_dir(folder.path().join("taken.png")).unwrap();
    assert!(figure.save(folder.path().join("taken.png")).is_err());
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        3,
        "no leftovers"
    );
}

#[test]
fn names_cannot_break_the_svg_or_the_bundle() {
    let name = format!("a\u{0}b\nEVCXR_END_CONTENT\u{ffff}{}", "long ".repeat(40));
    let figure = plot::curves(&name, &history(2, 1, 0.2));
    Document::parse(&figure.to_svg().unwrap()).unwrap();
    assert!(
        figure
            .to_string()
            .lines()
            .all(|line| line.starts_with("a b EVCXR"))
    );
}

/// Numbers that no experiment gives: the figure still comes, in the time of any other.
#[test]
fn absurd_ranges_give_a_figure() {
    let tiny = f64::from_bits(1);
    let many: Vec<(f64, f64)> = (-50..=50)
        .map(|i| (10f64.powi(6 * i), f64::MAX / 50.0 * f64::from(i)))
        .collect();
    let ends = [
        (tiny, f64::MIN),
        (1.0, f64::NAN),
        (2.0, f64::INFINITY),
        (f64::MAX, f64::MAX),
    ];
    let same = [(1e308, 1e308), (1e308, 1.7e308), (1e308, 1.7e308)];
    let axes = || Axes::new("x", "y");
    for axes in [
        axes(),
        axes().log_x(),
        axes().log_y(),
        axes().log_x().log_y(),
    ] {
        for points in [
            &many[..],
            &ends,
            &same,
            &many[..2],
            &[(0.0, 0.0), (tiny, tiny)],
        ] {
            let figure = plot::lines(&axes, &[("absurd", points)]);
            let svg = figure.to_svg().unwrap();
            assert!(texts(&svg).len() < 60, "{svg}");
            let (_, drawn) = svg.split_once("</title>").unwrap();
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{svg}");
            // Pixels take longer.
            if points.len() > ends.len() {
                figure.to_png().unwrap();
            }
        }
    }
    // The mean has a place, though the sum is more than the largest number.
    assert!(
        plot::lines(&axes(), &[("same", &same)])
            .to_string()
            .contains("highest 1.5e308")
    );
    let strips = plot::strips(
        "y",
        &[("a", &[f64::MAX, f64::MAX, f64::MIN][..]), ("b", &[tiny])],
    );
    assert!(!strips.to_svg().unwrap().contains("inf ±"));
    strips.to_png().unwrap();
}

#[test]
fn one_thing_is_told_in_the_singular() {
    let matrix = ConfusionMatrix::new(&[6], &[0]).unwrap();
    let told = plot::confusion(&matrix).to_string();
    assert_eq!(
        told,
        "0.00 % of 1 image right; most often mistaken: Shirt for T-shirt/top, 1 time"
    );
    let told = plot::image_grid(&images(1), 1, 1).unwrap().to_string();
    assert_eq!(told, "1 image: T-shirt/top");
    let told = plot::predictions(&images(1), &[0], &[0])
        .unwrap()
        .to_string();
    assert_eq!(told, "1 of 1 image recognised");
    let refused = plot::predictions(&images(2), &[0], &[0])
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("there is 1 prediction for a dataset of 2 images"),
        "{refused}"
    );
    let refused = ConfusionMatrix::new(&[1], &[1, 2]).unwrap_err().to_string();
    assert_eq!(refused, "1 label cannot be compared with 2 predictions");
    let svg = plot::lines(&Axes::new("x", "y"), &[("none", &[(f64::NAN, 1.0)])])
        .to_svg()
        .unwrap();
    assert!(texts(&svg).contains(&"nothing to draw: the only value is not finite".to_owned()));
}

#[test]
fn the_trials_of_a_search_are_the_stronger_the_longer_they_were_trained() {
    let long = history(9, 20, 0.2);
    let short = |epochs: usize| History {
        epochs: long.epochs[..epochs].to_vec(),
    };
    let (one, three) = (short(1), short(3));
    let groups: [(&str, &[&History]); 3] = [
        ("stopped after 1 epoch", &[&one, &one]),
        ("stopped after 3 epochs", &[&three]),
        ("trained to the end", &[&long]),
    ];
    let figure = plot::trials(&groups);
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let whole = paths(&document, BLUE);
    let whole = whole.iter().find(|path| path.len() == 9).unwrap();
    let shades: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("stroke"))
        .filter(|stroke| paths(&document, stroke).iter().any(|path| path.len() == 3))
        .filter(|stroke| *stroke != BLUE)
        .collect();
    let pale = shades.into_iter().find(|shade| {
        paths(&document, shade)
            .iter()
            .any(|path| path[..] == whole[..3])
    });
    assert!(
        pale.is_some(),
        "the first three epochs of the same training, in another shade"
    );
    let last = 100.0 * long.last().unwrap().val_accuracy.unwrap();
    let texts = texts(&svg);
    for text in [
        "stopped after 1 epoch (2)",
        "trained to the end (1)",
        &format!("{last:.1}"),
    ] {
        assert!(texts.iter().any(|found| found == text), "{text}: {texts:?}");
    }
    assert!(
        figure
            .to_string()
            .contains("stopped after 3 epochs (1): highest"),
        "{figure}"
    );
}

#[test]
fn a_setting_over_decades_lies_on_a_logarithmic_axis() {
    let end = history(9, 20, 0.2);
    let points = [(1e-4, &end), (1e-3, &end), (1e-1, &end)];
    let places = |points: &[(f64, &History)]| {
        let svg = plot::trials_against("learning rate", &[("all", points)])
            .to_svg()
            .unwrap();
        let document = Document::parse(&svg).unwrap();
        let dots = document
            .descendants()
            .filter(|node| node.has_tag_name("circle") && node.attribute("fill") == Some(BLUE));
        let mut places: Vec<f64> = dots.map(|node| number(node, "cx")).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        places
    };
    let [a, b, c] = places(&points)[..] else {
        panic!()
    };
    assert!(((c - b) / (b - a) - 2.0).abs() < 0.01, "{a} {b} {c}");
    let [a, b, c] = places(&[(0.1, &end), (0.2, &end), (0.4, &end)])[..] else {
        panic!()
    };
    assert!(((c - b) / (b - a) - 2.0).abs() < 0.01, "{a} {b} {c}");
    let none = plot::trials_against("network", &[("all", &[])])
        .to_svg()
        .unwrap();
    assert!(
        texts(&none)
            .iter()
            .any(|text| text.contains("no trial has a number"))
    );
}

/// A curve that stands still in x rises there; nothing is averaged.
#[test]
fn a_roc_curve_goes_through_its_points() {
    let curve = |points: &[(f64, f64)], auc| RocCurve {
        points: points.to_vec(),
        thresholds: vec![0.5; points.len()],
        auc,
    };
    let steps = [
        (0.0, 0.0),
        (0.0, 0.25),
        (0.0, 0.5),
        (0.5, 0.75),
        (0.5, 1.0),
        (1.0, 1.0),
    ];
    let (one, other) = (curve(&steps, 0.8125), curve(&[(0.0, 0.0), (1.0, 1.0)], 0.5));
    let figure = plot::roc(&[("shirts", &one), ("guesses", &other)]);
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let curves = paths(&document, BLUE);
    let drawn = curves
        .iter()
        .find(|path| path.len() == steps.len())
        .unwrap();
    // Both axes end at their last tick, and begin with the first point, and are equally long.
    let ((start_x, start_y), (end_x, end_y)) = (drawn[0], drawn[steps.len() - 1]);
    assert_eq!((end_x - start_x).round(), (start_y - end_y).round());
    for ((x, y), (expected_x, expected_y)) in drawn.iter().zip(steps) {
        let (x, y) = (
            (x - start_x) / (end_x - start_x),
            (y - start_y) / (end_y - start_y),
        );
        assert!((x - expected_x).abs() < 1e-3 && (y - expected_y).abs() < 1e-3);
    }
    let circles = document
        .descendants()
        .filter(|it| it.has_tag_name("circle"));
    assert_eq!(circles.count(), 0, "no dots hide what lies below");
    for text in [
        "shirts (AUC 0.812)",
        "guesses (AUC 0.500)",
        "chance (AUC 0.500)",
        "false positive rate",
        "true positive rate",
    ] {
        assert!(texts(&svg).iter().any(|found| found == text), "{text}");
    }
    assert!(figure.to_string().ends_with("guesses (AUC 0.500)"));
    assert!(plot::roc(&[]).to_png().is_ok());
}

/// The contrast of two colours, as WCAG 2.1 defines it.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |color: &str| {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
            match value <= 0.03928 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// In row r, so many percent for another class, from white to dark blue.
#[test]
fn the_counts_of_a_confusion_matrix_can_be_read_on_every_blue() {
    let images = (0..1000_usize).map(|i| ((i / 100) as u8, i % 100));
    let taken = images.map(|(label, i)| {
        (
            label,
            (label + u8::from(i < 5 + 10 * usize::from(label))) % 10,
        )
    });
    let (labels, predicted): (Vec<u8>, Vec<u8>) = taken.unzip();
    let matrix = ConfusionMatrix::new(&labels, &predicted).unwrap();
    let svg = plot::confusion(&matrix).to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let mut cell = "";
    let mut counts = 0;
    for node in document.descendants() {
        if node.has_tag_name("rect") {
            cell = node.attribute("fill").unwrap();
        } else if let Some(number) = node.text().and_then(|it| it.parse::<usize>().ok())
            && node.has_tag_name("text")
            && number > 0
        {
            let ink = node.attribute("fill").unwrap();
            assert!(contrast(cell, ink) >= 4.5, "{number}: {ink} on {cell}");
            counts += 1;
        }
    }
    assert_eq!(counts, 20);
}

#[test]
fn a_legend_names_no_more_than_is_drawn() {
    let whole = history(5, 3, 0.2);
    let mut bare = whole.clone();
    for record in &mut bare.epochs {
        (record.val_loss, record.val_accuracy) = (None, None);
    }
    let names = |runs: &[(&str, &History)]| {
        let texts = texts(&plot::loss_curves(runs).to_svg().unwrap());
        ["training", "validation", "lowest validation loss"]
            .map(|name| texts.iter().any(|text| text == name))
    };
    assert_eq!(names(&[("bare", &bare)]), [true, false, false]);
    assert_eq!(names(&[("bare", &bare), ("whole", &whole)]), [true; 3]);
}
