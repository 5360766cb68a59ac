use base64::{Engine, engine::general_purpose::STANDARD};
use fmnist_lib::candle_core::{DType, Device, Tensor};
use fmnist_lib::plot::{self, Figure};
use fmnist_lib::{
    Activation, Block, Conv2d, Dataset, Dense, Flatten, HeatMaps, Model, ModelSpec, PIXELS, SIDE,
    grad_cam, one_layer, outputs, saliency, two_layer,
};
use roxmltree::{Document, Node};

use crate::plots::{decoded, number, texts};
use crate::striped;
use crate::zoo::networks;

/// Left, top, right and bottom, in drawing units.
type Field = [f64; 4];

fn overlap(one: &Field, other: &Field) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

fn within(inner: &Field, outer: &Field) -> bool {
    inner[0] >= outer[0] && inner[1] >= outer[1] && inner[2] <= outer[2] && inner[3] <= outer[3]
}

fn of_kind<'a>(document: &'a Document<'a>, tag: &str) -> Vec<Node<'a, 'a>> {
    document
        .descendants()
        .filter(|node| node.has_tag_name(tag))
        .collect()
}

/// What a text covers: capitals above its base line, and what hangs below it.
fn text_field(node: &Node<'_, '_>) -> Field {
    let (x, y) = (number(*node, "x"), number(*node, "y"));
    let (length, em) = (number(*node, "textLength"), number(*node, "font-size"));
    let left = match node.attribute("text-anchor").unwrap() {
        "start" => x,
        "middle" => x - length / 2.0,
        _ => x - length,
    };
    [left, y - 0.7 * em, left + length, y + 0.2 * em]
}

fn box_field(node: &Node<'_, '_>) -> Field {
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(*node, name));
    [x, y, x + width, y + height]
}

/// Refuses texts that run into each other, into pictures or out of the page.
fn is_legible(figure: &Figure) -> String {
    let svg = figure.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let page = document
        .root_element()
        .attribute("viewBox")
        .unwrap()
        .split(' ');
    let page: Vec<f64> = page.map(|it| it.parse().unwrap()).collect();
    let page = [page[0], page[1], page[2], page[3]];
    let nodes = of_kind(&document, "text");
    let fields: Vec<Field> = nodes.iter().map(text_field).collect();
    let pictures: Vec<Field> = of_kind(&document, "image").iter().map(box_field).collect();
    for (at, field) in fields.iter().enumerate() {
        let text = nodes[at].text();
        assert!(within(field, &page), "{figure}: {text:?} leaves the page");
        for (other, beside) in fields.iter().enumerate().skip(at + 1) {
            assert!(
                !overlap(field, beside),
                "{figure}: {text:?} and {:?}",
                nodes[other].text()
            );
        }
        assert!(
            !pictures.iter().any(|it| overlap(field, it)),
            "{figure}: {text:?} on a picture"
        );
    }
    for (at, picture) in pictures.iter().enumerate() {
        assert!(
            within(picture, &page),
            "{figure}: picture {at} leaves the page"
        );
        assert!(
            !pictures[..at].iter().any(|it| overlap(picture, it)),
            "{figure}: picture {at}"
        );
    }
    svg
}

/// The pixels of each picture in the figure, three bytes for each.
fn pictures(svg: &str) -> Vec<image::RgbImage> {
    let document = Document::parse(svg).unwrap();
    let nodes = of_kind(&document, "image");
    let pixels = nodes.iter().map(|node| {
        let href = node.attribute("href").unwrap();
        let file = STANDARD.decode(href.strip_prefix("data:image/png;base64,").unwrap());
        decoded(&file.unwrap())
    });
    pixels.collect()
}

#[test]
fn a_network_is_drawn_with_all_its_layers() {
    let figure = plot::network(&two_layer()).unwrap();
    assert_eq!(figure.to_string(), "2_Layer: 8 layers, 515,146 parameters");
    figure.to_png().unwrap();
    let svg = is_legible(&figure);
    let told = texts(&svg);
    for row in two_layer().summary().unwrap().rows {
        assert!(
            told.contains(&row.name) && told.contains(&row.kind),
            "{}",
            row.name
        );
    }
    for text in [
        "images",
        "28 × 28 × 1",
        "26 × 26 × 32",
        "7,744",
        "18,496 parameters",
    ] {
        assert!(told.iter().any(|it| it == text), "{text}");
    }
    let mut specs: Vec<ModelSpec> = networks::all().into_iter().map(|it| it.spec).collect();
    let inner = Block::new().concatenate(
        "inner",
        [
            Block::new(),
            Block::new(),
            Block::new().layer("c", Conv2d::new(4).same()),
        ],
    );
    let long = "a name that goes on and on and on and on and on & <never> ends";
    specs.push(
        ModelSpec::new(long)
            .layer(long, Conv2d::new(4).same())
            .concatenate(
                "outer",
                [inner, Block::new().layer("b", Conv2d::new(4).same())],
            )
            .layer("flatten", Flatten)
            .layer("output", Dense::new(10)),
    );
    for spec in specs {
        let svg = is_legible(&plot::network(&spec).unwrap());
        let document = Document::parse(&svg).unwrap();
        let framed = |node: &Node<'_, '_>| node.attribute("stroke").is_some();
        let boxes: Vec<Field> = of_kind(&document, "rect")
            .iter()
            .filter(|it| framed(it))
            .map(box_field)
            .collect();
        let layers = spec.summary().unwrap().rows.len();
        assert_eq!(boxes.len(), layers + 1, "{}", spec.name());
        for (at, one) in boxes.iter().enumerate() {
            assert!(
                !boxes[..at].iter().any(|other| overlap(one, other)),
                "{}",
                spec.name()
            );
        }
        // All but the title stand in boxes.
        for text in of_kind(&document, "text").iter().skip(1) {
            let field = text_field(text);
            assert!(
                boxes.iter().any(|it| within(&field, it)),
                "{}: {:?}",
                spec.name(),
                text.text()
            );
        }
    }
}

/// Branches begin side by side, and the place where they meet is below all of them.
#[test]
fn branches_stand_side_by_side() {
    let svg = plot::network(&networks::inception())
        .unwrap()
        .to_svg()
        .unwrap();
    let document = Document::parse(&svg).unwrap();
    let nodes = of_kind(&document, "text");
    let place = |name: &str| {
        let node = nodes.iter().find(|node| node.text() == Some(name)).unwrap();
        (number(*node, "x"), number(*node, "y"))
    };
    let first = ["1x1", "3x3-reduce", "5x5-reduce", "pool"].map(place);
    assert!(
        first
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 == pair[1].1),
        "{first:?}"
    );
    assert!(place("stem-2").1 < first[0].1 && place("3x3").1 < place("inception-1").1);
    assert_eq!(place("3x3-reduce").0, place("3x3").0);
    let refused = plot::network(&ModelSpec::new("nothing"))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("there are no layers"), "{refused}");
}

#[test]
fn feature_maps_show_each_channel_on_one_scale() {
    let model = two_layer().build(1).unwrap();
    let data = striped(4, 2);
    let svg = is_legible(&plot::feature_maps(&model, "Conv2D-2", &data, 3).unwrap());
    let pictures = pictures(&svg);
    assert_eq!(
        pictures.len(),
        1 + 64 + 1,
        "the image, its maps and the scale"
    );
    let image: Vec<u8> = pictures[0].pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(image, data.image(3));
    assert!(texts(&svg).contains(&"Conv2D-2: 64 channels of 11×11".to_owned()));
    assert!(texts(&svg).contains(&data.class_names()[3]));

    let maps = outputs(
        &model.up_to("Conv2D-2").unwrap(),
        &data.select(&[3]).unwrap(),
    )
    .unwrap();
    let maps: Vec<Vec<Vec<f32>>> = maps
        .get(0)
        .unwrap()
        .permute((2, 0, 1))
        .unwrap()
        .to_vec3()
        .unwrap();
    let largest = maps
        .iter()
        .flatten()
        .flatten()
        .fold(0.0, |most: f32, it| most.max(*it));
    let light = |[red, green, blue]: [u8; 3]| u32::from(red) + u32::from(green) + u32::from(blue);
    for (map, picture) in maps.iter().zip(&pictures[1..]) {
        for (y, row) in map.iter().enumerate() {
            for (x, &value) in row.iter().enumerate() {
                let color = picture.get_pixel(x as u32, y as u32).0;
                match value {
                    0.0 => assert_eq!(color, [0, 0, 4]),
                    _ if value == largest => assert_eq!(color, [252, 255, 164]),
                    _ => assert!(
                        (light(color) > 400) == (value / largest > 0.74),
                        "{value}: {color:?}"
                    ),
                }
            }
        }
    }

    // Negative values are blue, positive ones vermillion.
    let linear = ModelSpec::new("linear")
        .layer("conv", Conv2d::new(3))
        .layer("flatten", Flatten);
    let linear = linear.layer("output", Dense::new(10)).build(4).unwrap();
    let svg = is_legible(&plot::feature_maps(&linear, "conv", &data, 0).unwrap());
    let map = outputs(&linear.up_to("conv").unwrap(), &data.take(1)).unwrap();
    let map: Vec<Vec<Vec<f32>>> = map
        .get(0)
        .unwrap()
        .permute((2, 0, 1))
        .unwrap()
        .to_vec3()
        .unwrap();
    let found = &self::pictures(&svg)[1..4];
    for (values, picture) in map
        .iter()
        .flatten()
        .flatten()
        .zip(found.iter().flat_map(|it| it.pixels()))
    {
        let [red, _, blue] = picture.0;
        assert!(
            values.abs() < 1e-2 || (red > blue) == (*values > 0.0),
            "{values}: {picture:?}"
        );
    }
}

#[test]
fn figures_of_layers_with_many_channels_and_few() {
    let data = striped(2, 2);
    for filters in [1, 2, 5, 70, 300, 1030] {
        let spec = ModelSpec::new("wide").layer("conv", Conv2d::new(filters).strides(4).relu());
        let model = spec
            .layer("flatten", Flatten)
            .layer("output", Dense::new(10))
            .build(1)
            .unwrap();
        let svg = is_legible(&plot::feature_maps(&model, "conv", &data, 1).unwrap());
        assert_eq!(pictures(&svg).len(), filters.min(1024) + 2);
        let told = texts(&svg)
            .iter()
            .any(|text| text.contains("(the first 1024)"));
        assert_eq!(told, filters > 1024);
        let kernels = plot::kernels(&model, "conv").unwrap();
        is_legible(&kernels);
        kernels.to_png().unwrap();
    }
}

#[test]
fn kernels_are_pictures_of_their_weights() {
    let model = one_layer().build(3).unwrap();
    let svg = is_legible(&plot::kernels(&model, "Conv2D-1").unwrap());
    let found = pictures(&svg);
    assert_eq!(found.len(), 32 + 1);
    let weights: Vec<Vec<f32>> = model.weights()[0]
        .1
        .reshape((9, 32))
        .unwrap()
        .to_vec2()
        .unwrap();
    for (place, of_filters) in weights.iter().enumerate() {
        for (value, picture) in of_filters.iter().zip(&found) {
            let [red, _, blue] = picture.get_pixel(place as u32 % 3, place as u32 / 3).0;
            assert!(value.abs() < 1e-3 || (red > blue) == (*value > 0.0));
        }
    }

    let spec = ModelSpec::new("colour")
        .input([16, 16, 3])
        .layer("conv", Conv2d::new(4).kernel_size(5));
    let spec = spec
        .layer("next", Conv2d::new(2))
        .layer("flatten", Flatten)
        .layer("output", Dense::new(2));
    let model = spec.build(1).unwrap();
    let svg = is_legible(&plot::kernels(&model, "conv").unwrap());
    let found = pictures(&svg);
    assert_eq!(found.len(), 4, "and no scale");
    let kernel = &model.weights()[0].1;
    let largest: f32 = kernel
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar()
        .unwrap();
    for (x, y, channel, filter) in [(0, 0, 0, 0), (3, 1, 2, 3), (4, 4, 1, 2)] {
        let value: f32 = kernel
            .get(y)
            .unwrap()
            .get(x)
            .unwrap()
            .get(channel)
            .unwrap()
            .get(filter)
            .unwrap()
            .to_scalar()
            .unwrap();
        let expected = (127.5 + 127.5 * value / largest).round() as u8;
        assert_eq!(
            found[filter].get_pixel(x as u32, y as u32).0[channel],
            expected
        );
    }

    let told = |layer: &str| plot::kernels(&model, layer).unwrap_err().to_string();
    assert!(told("next").contains("1 or 3 channels"), "{}", told("next"));
    assert!(told("output").contains("no maps"));
    assert!(told("none").contains("no layer \"none\""));
    let data = striped(1, 1);
    let told = |layer: &str, index: usize| {
        let model: Model = one_layer().build(1).unwrap();
        plot::feature_maps(&model, layer, &data, index)
            .unwrap_err()
            .to_string()
    };
    assert!(told("Dense", 0).contains("no maps"));
    assert!(told("Conv2D-1", 1).contains("no image 1"));
}

/// One bright place in the lower left of a coarse map.
#[test]
fn heat_lies_over_the_place_that_it_is_of() {
    let data = Dataset::new([vec![200; PIXELS], vec![0; PIXELS]].concat(), vec![6, 2]).unwrap();
    let mut values = vec![0.0_f32; 2 * 7 * 7];
    values[5 * 7 + 1] = 3.0;
    let maps = HeatMaps {
        values: Tensor::from_vec(values, (2, 7, 7), &Device::Cpu).unwrap(),
        classes: vec![4, 2],
    };
    let figure = plot::heat_maps(&data, &maps).unwrap();
    assert_eq!(
        figure.to_string(),
        "heat maps of 2 images\nShirt: why Coat?\nPullover: why Pullover? nothing speaks for it"
    );
    let svg = is_legible(&figure);
    let expected = [
        "Shirt",
        "why Coat?",
        "Pullover",
        "why Pullover?",
        "nothing speaks for it",
        "0",
        "largest of its map",
    ];
    assert_eq!(texts(&svg), expected);
    let pictures = pictures(&svg);
    let (plain, covered) = (&pictures[0], &pictures[1]);
    assert!(plain.pixels().all(|pixel| pixel.0 == [200; 3]));
    let heat = |x: u32, y: u32| {
        i32::from(covered.get_pixel(x, y).0[0]) - i32::from(covered.get_pixel(x, y).0[2])
    };
    let (warmest, _) = (0..PIXELS as u32)
        .map(|at| {
            (
                (at % SIDE as u32, at / SIDE as u32),
                heat(at % SIDE as u32, at / SIDE as u32),
            )
        })
        .max_by_key(|(_, heat)| *heat)
        .unwrap();
    assert!(
        (4..8).contains(&warmest.0) && (20..24).contains(&warmest.1),
        "{warmest:?}"
    );
    // Where nothing is warm, the picture is left, in the dark.
    assert_eq!(covered.get_pixel(20, 4).0, [110; 3]);
    assert!(
        pictures[3].pixels().all(|pixel| pixel.0 == [0; 3]),
        "a map of 0 covers nothing"
    );

    let model = one_layer().build(1).unwrap();
    let many = striped(20, 1);
    is_legible(&plot::heat_maps(&many, &saliency(&model, &many, None).unwrap()).unwrap());
    let cam = grad_cam(&model, "Conv2D-1", &many, None).unwrap();
    is_legible(&plot::heat_maps(&many, &cam).unwrap());
    let told = |data: &Dataset| plot::heat_maps(data, &cam).unwrap_err().to_string();
    assert!(told(&many.take(19)).contains("[20, 26, 26] for 19 images"));
    let count = 161;
    let zeros = HeatMaps {
        values: Tensor::zeros((count, 2, 2), DType::F32, &Device::Cpu).unwrap(),
        classes: vec![0; count],
    };
    let told = plot::heat_maps(&striped(count, 1), &zeros)
        .unwrap_err()
        .to_string();
    assert!(told.contains("at most 160"), "{told}");
}

#[test]
fn an_embedding_shows_each_image_where_its_point_is() {
    let count = 60;
    let data = striped(count, 3);
    // Ten columns of six, a class in each, twice as far apart to the right as upwards.
    let points = (0..count).flat_map(|at| [2.0 * (at % 10) as f32, (at / 10) as f32]);
    let points = Tensor::from_vec(points.collect(), (count, 2), &Device::Cpu).unwrap();
    let figure = plot::embedding(&data, &points).unwrap();
    assert_eq!(
        figure.to_string(),
        "60 images of 10 classes as points in the plane"
    );
    figure.to_png().unwrap();
    let svg = is_legible(&figure);
    for name in data.class_names() {
        assert!(texts(&svg).contains(name), "{name}");
    }
    let document = Document::parse(&svg).unwrap();
    let dots = of_kind(&document, "circle");
    assert_eq!(dots.len(), count);
    let place = |at: usize| (number(dots[at], "cx"), number(dots[at], "cy"));
    let unit = (place(1).0 - place(0).0) / 2.0;
    assert!(unit > 0.0);
    for at in 0..count {
        let (x, y) = place(at);
        let expected = (
            place(0).0 + 2.0 * unit * (at % 10) as f64,
            place(0).1 - unit * (at / 10) as f64,
        );
        assert!(
            (x - expected.0).abs() < 3.0 && (y - expected.1).abs() < 3.0,
            "{at}"
        );
        let same = dots[at % 10].attribute("fill");
        assert_eq!(dots[at].attribute("fill"), same, "one colour for a class");
    }
    let colours: std::collections::BTreeSet<_> = dots[..10]
        .iter()
        .filter_map(|dot| dot.attribute("fill"))
        .collect();
    assert_eq!(colours.len(), 10);
    // A picture is that of a point in its middle.
    let nodes = of_kind(&document, "image");
    assert!(nodes.len() > 5, "{} pictures", nodes.len());
    for (node, picture) in nodes.iter().zip(pictures(&svg)) {
        let [left, top, right, bottom] = box_field(node);
        let middle = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        let at = (0..count).find(|&at| {
            (place(at).0 - middle.0).abs() < 2.0 && (place(at).1 - middle.1).abs() < 2.0
        });
        let pixels: Vec<u8> = picture.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(pixels, data.image(at.expect("a point in the middle")));
    }
}

#[test]
fn embeddings_of_little_or_nothing() {
    let tensor = |values: Vec<f32>, shape: (usize, usize)| {
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    let says = |data: &Dataset, points: &Tensor, words: &str| {
        let svg = is_legible(&plot::embedding(data, points).unwrap());
        assert!(
            texts(&svg).iter().any(|text| text.contains(words)),
            "{words}"
        );
    };
    says(
        &striped(0, 1),
        &tensor(vec![], (0, 2)),
        "nothing to draw: no images",
    );
    says(
        &striped(1, 1),
        &tensor(vec![f32::NAN, 1.0], (1, 2)),
        "no point is finite",
    );
    says(
        &striped(2, 1),
        &tensor(vec![3.0, 1.0, f32::INFINITY, 1.0], (2, 2)),
        "1 point not finite is left out",
    );
    says(&striped(3, 1), &tensor(vec![0.0; 6], (3, 2)), "Pullover");
    let told = plot::embedding(&striped(3, 1), &tensor(vec![0.0; 4], (2, 2)))
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "an embedding of 3 images needs points of the shape (3, 2), not [2, 2]"
    );
    assert!(plot::embedding(&striped(2, 1), &tensor(vec![0.0; 2], (2, 1))).is_err());
}

/// Every line begins at a box or where another line branches off, and none stops short of what it leads to.
#[test]
fn lines_lead_from_box_to_box() {
    let conv = |name: &str| Block::new().layer(name, Conv2d::new(4).same());
    let inner = conv("a").add("inner", [conv("b"), Block::new()]);
    let spec = ModelSpec::new("nested")
        .layer("first", Conv2d::new(4).same())
        .add("outer", [inner, conv("c")])
        .concatenate("again", [conv("d"), conv("e")])
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let svg = plot::network(&spec).unwrap().to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let boxes: Vec<Field> = of_kind(&document, "rect")
        .iter()
        .filter(|it| it.attribute("stroke").is_some())
        .map(box_field)
        .collect();
    let paths = of_kind(&document, "path").into_iter();
    let lines: Vec<Vec<(f64, f64)>> = paths
        .filter(|node| node.attribute("stroke").is_some())
        .flat_map(|node| node.attribute("d").unwrap().split('M').skip(1))
        .map(|piece| {
            let pairs = piece
                .split_whitespace()
                .map(|it| it.split_once(',').unwrap());
            pairs
                .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
                .collect()
        })
        .collect();
    assert!(lines.len() > 12, "{}", lines.len());
    let on_line = |at: usize, (x, y): (f64, f64)| {
        let others = lines.iter().enumerate().filter(|(other, _)| *other != at);
        others.flat_map(|(_, line)| line.windows(2)).any(|ends| {
            let within =
                |value: f64, a: f64, b: f64| a.min(b) - 1.0 <= value && value <= a.max(b) + 1.0;
            within(x, ends[0].0, ends[1].0) && within(y, ends[0].1, ends[1].1)
        })
    };
    let on_box = |(x, y): (f64, f64)| {
        let touches = |it: &Field| {
            it[0] <= x && x <= it[2] && ((y - it[1]).abs() < 3.0 || (y - it[3]).abs() < 3.0)
        };
        boxes.iter().any(touches)
    };
    for (at, line) in lines.iter().enumerate() {
        for end in [line[0], line[line.len() - 1]] {
            assert!(on_box(end) || on_line(at, end), "{end:?} of {line:?}");
        }
    }
}

/// Of a layer whose class does not tell, the name that Keras's `show_layer_activations=True` writes.
#[test]
fn an_activation_says_which_it_is() {
    let spec = ModelSpec::new("active")
        .layer("flatten", Flatten)
        .layer("one", Activation::Silu)
        .layer("two", Activation::Relu)
        .layer("three", Activation::Gelu)
        .layer("output", Dense::new(10));
    let told = texts(&is_legible(&plot::network(&spec).unwrap()));
    for text in ["Activation (silu)", "ReLU", "Activation (gelu)"] {
        assert!(told.iter().any(|it| it == text), "{text}: {told:?}");
    }
    let summary = spec.summary().unwrap();
    let names: Vec<_> = summary.rows.iter().map(|row| row.activation).collect();
    assert_eq!(names, [None, Some("silu"), None, Some("gelu"), None]);
    assert!(summary.to_string().contains("three (Activation: gelu) "));
}

/// A black picture of each class: around it a light line, and around that a colour that is not as dark.
#[test]
fn frames_are_seen_around_black_pictures() {
    // Three of each class, far from each other: a name stands on one of them at most.
    let black = Dataset::new(vec![0; 30 * PIXELS], (0..30).map(|at| at % 10).collect()).unwrap();
    let points = (0..30).flat_map(|at| [(at % 6) as f32, (at / 6) as f32]);
    let points = Tensor::from_vec(points.collect(), (30, 2), &Device::Cpu).unwrap();
    let svg = plot::embedding(&black, &points).unwrap().to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let nodes: Vec<_> = document.descendants().filter(Node::is_element).collect();
    let framed = nodes.windows(3).filter(|it| it[2].has_tag_name("image"));
    let mut colours = std::collections::BTreeSet::new();
    for three in framed {
        let fills = [0, 1].map(|at| three[at].attribute("fill").unwrap());
        assert_eq!(fills[1], "#ffffff");
        let brightest = [1, 3, 5].map(|at| u8::from_str_radix(&fills[0][at..at + 2], 16).unwrap());
        assert!(brightest.into_iter().max().unwrap() >= 100, "{}", fills[0]);
        colours.insert(fills[0].to_owned());
    }
    assert_eq!(colours.len(), 10, "{colours:?}");
}
