use fmnist_lib::{Augmentation, Dataset, Error, PIXELS, SIDE};

use crate::striped;

fn shifted(image: &[u8], down: isize, right: isize) -> Vec<u8> {
    let pixel = |row: usize, column: usize| {
        let (row, column) = (row as isize - down, column as isize - right);
        let inside = (0..SIDE as isize).contains(&row) && (0..SIDE as isize).contains(&column);
        if inside {
            image[row as usize * SIDE + column as usize]
        } else {
            0
        }
    };
    (0..PIXELS).map(|at| pixel(at / SIDE, at % SIDE)).collect()
}

fn mirrored(image: &[u8]) -> Vec<u8> {
    let pixel = |at: usize| image[at / SIDE * SIDE + SIDE - 1 - at % SIDE];
    (0..PIXELS).map(pixel).collect()
}

fn apply(augmentation: Augmentation, data: &Dataset) -> Dataset {
    augmentation.apply(data, 1, 1).unwrap()
}

#[test]
fn a_flip_mirrors_half_of_the_images() {
    let data = striped(1000, 1);
    let flipped = apply(Augmentation::new().flip(), &data);
    let mut count = 0;
    for i in 0..data.len() {
        if flipped.image(i) == mirrored(data.image(i)) {
            count += 1;
        } else {
            assert_eq!(flipped.image(i), data.image(i));
        }
    }
    assert!((450..550).contains(&count), "{count} of 1000 are mirrored");
    assert_eq!(flipped.labels(), data.labels());
    assert_eq!(data.mirrored().image(7), mirrored(data.image(7)));
}

#[test]
fn a_shift_reaches_each_place_and_brings_in_background() {
    let data = striped(1000, 2);
    let moved = apply(Augmentation::new().shift(2), &data);
    let places: Vec<(isize, isize)> = (-2..=2)
        .flat_map(|down| (-2..=2).map(move |right| (down, right)))
        .collect();
    let mut counts = vec![0; places.len()];
    for i in 0..data.len() {
        let place = places
            .iter()
            .position(|&(down, right)| moved.image(i) == shifted(data.image(i), down, right));
        counts[place.unwrap_or_else(|| panic!("image {i} is not a shift by at most 2"))] += 1;
    }
    assert!(
        counts.iter().all(|&count| (15..80).contains(&count)),
        "{counts:?}"
    );
}

#[test]
fn an_erased_rectangle_has_the_size_it_should() {
    let black = Dataset::new(vec![0; 1000 * PIXELS], vec![0; 1000]).unwrap();
    let erased = apply(Augmentation::new().erase(0.5), &black);
    let mut count = 0;
    for i in 0..1000 {
        let changed: Vec<usize> = (0..PIXELS).filter(|&at| erased.image(i)[at] > 0).collect();
        let (Some(first), Some(last)) = (changed.first(), changed.last()) else {
            continue;
        };
        count += 1;
        let height = last / SIDE - first / SIDE + 1;
        let columns = || changed.iter().map(|at| at % SIDE);
        let width = columns().max().unwrap() - columns().min().unwrap() + 1;
        // Noise is 0 for one pixel in 256; sides are whole pixels.
        assert!(changed.len() as f64 > 0.8 * (height * width) as f64);
        let share = (height * width) as f64 / PIXELS as f64;
        assert!((0.01..0.36).contains(&share), "{height}×{width}");
    }
    assert!((420..580).contains(&count), "{count} of 1000 are erased");
}

#[test]
fn seed_and_epoch_decide_and_nothing_else_does() {
    let data = striped(200, 3);
    let all = Augmentation::new().flip().shift(3).erase(0.5);
    let first = all.apply(&data, 5, 1).unwrap();
    assert!(first == all.apply(&data, 5, 1).unwrap());
    assert!(first != all.apply(&data, 5, 2).unwrap());
    assert!(first != all.apply(&data, 6, 1).unwrap());
    // An image is changed in the same way whatever else is in the set.
    assert!(first.take(50) == all.apply(&data.take(50), 5, 1).unwrap());
    assert!(apply(Augmentation::new(), &data) == data);
    for wrong in [
        Augmentation::new().shift(28),
        Augmentation::new().erase(1.5),
    ] {
        assert!(matches!(wrong.apply(&data, 1, 1), Err(Error::Invalid(_))));
    }
}
