//! Files in the format IDX: read, damaged, hostile.
use std::io::{self, BufRead, Read, Write};

use flate2::{Compression, write::GzEncoder};
use fmnist_lib::{Error, IdxContent, PIXELS, parse_idx};
use proptest::prelude::*;

/// A file of this header and these values.
pub(crate) fn idx(header: &[u32], values: &[u8]) -> Vec<u8> {
    let header = header.iter().flat_map(|word| word.to_be_bytes());
    header.chain(values.iter().copied()).collect()
}

fn images(count: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count as usize * PIXELS).map(|i| i as u8).collect();
    idx(&[2051, count, 28, 28], &pixels)
}

/// A file as it is published.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

fn parse(bytes: &[u8], content: IdxContent, count: u32) -> fmnist_lib::Result<Vec<u8>> {
    parse_idx(bytes, content, count, "some-file")
}

/// The problem that the parser finds; every error must be one of data, and name the file.
fn problem(bytes: &[u8], content: IdxContent, count: u32) -> String {
    match parse(bytes, content, count) {
        Err(Error::Data { origin, problem }) => {
            assert_eq!(origin, "some-file");
            problem
        }
        other => panic!("not refused as it should be: {other:?}"),
    }
}

#[test]
fn small_files_are_read_plain_and_gzipped() {
    let file = images(2);
    for bytes in [file.clone(), gzip(&file)] {
        assert_eq!(parse(&bytes, IdxContent::Images, 2).unwrap(), file[16..]);
    }
    let file = idx(&[2049, 3], &[0, 9, 5]);
    for bytes in [file.clone(), gzip(&file)] {
        assert_eq!(parse(&bytes, IdxContent::Labels, 3).unwrap(), [0, 9, 5]);
    }
}

#[test]
fn truncation_at_every_byte_is_refused() {
    for (content, count, file) in [
        (IdxContent::Images, 2, images(2)),
        (IdxContent::Labels, 3, idx(&[2049, 3], &[0, 9, 5])),
    ] {
        for bytes in [gzip(&file), file] {
            for end in 0..bytes.len() {
                problem(&bytes[..end], content, count);
            }
            parse(&bytes, content, count).unwrap();
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let file = idx(&[2049, 2], &[1, 2]);
    let longer = idx(&[2049, 2], &[1, 2, 3]);
    let after_gzip = [gzip(&file), vec![0]].concat();
    let second_member = [gzip(&file), gzip(&[3])].concat();
    for bytes in [&longer, &gzip(&longer), &after_gzip, &second_member] {
        problem(bytes, IdxContent::Labels, 2);
    }
    let found = problem(&longer, IdxContent::Labels, 2);
    assert!(
        found.contains("promises 2 bytes, but more follow"),
        "{found}"
    );
}

#[test]
fn each_wrong_header_field_is_named_with_what_was_expected() {
    let right = [2051, 2, 28, 28];
    let fields = ["magic number", "number of images", "rows", "columns"];
    for (at, field) in fields.iter().enumerate() {
        for wrong in [0, 1, 2049, u32::MAX] {
            let mut header = right;
            header[at] = wrong;
            let found = problem(&idx(&header, &[0; 2 * PIXELS]), IdxContent::Images, 2);
            let expected = format!("{field} is {wrong} instead of {}", right[at]);
            assert!(found.contains(&expected), "{found}");
        }
    }
    let html = problem(b"<!DOCTYPE html>", IdxContent::Images, 2);
    assert!(html.contains("magic number"), "{html}");
}

#[test]
fn a_label_above_nine_is_refused_with_its_place() {
    for label in [10, 255] {
        let found = problem(&idx(&[2049, 3], &[0, label, 9]), IdxContent::Labels, 3);
        let expected = format!("label {label} of image 1");
        assert!(found.contains(&expected), "{found}");
    }
}

/// Hands out one byte at a time and counts them.
struct Counting<'a> {
    bytes: &'a [u8],
    taken: &'a mut usize,
}

impl Read for Counting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.len().min(into.len()).min(1);
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Counting<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.bytes[..self.bytes.len().min(2)])
    }

    fn consume(&mut self, count: usize) {
        self.bytes = &self.bytes[count..];
        *self.taken += count;
    }
}

#[test]
fn a_gzip_bomb_is_left_after_a_few_bytes() {
    let bomb = gzip(&idx(&[2051, 2, 28, 28], &vec![0; 64 << 20]));
    let mut taken = 0;
    let file = Counting {
        bytes: &bomb,
        taken: &mut taken,
    };
    let found = parse_idx(file, IdxContent::Images, 2, "bomb").unwrap_err();
    assert!(found.to_string().contains("more follow"), "{found}");
    // zlib's window and look-ahead make it read somewhat more than two images need.
    assert!(taken < bomb.len() / 20, "read {taken} of {}", bomb.len());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, magic: bool) {
        let gzip_like = [vec![0x1f, 0x8b, 8, 0], bytes.clone()].concat();
        for file in [bytes.clone(), idx(&[2049, 3], &bytes), idx(&[2051, 1, 28, 28], &bytes), gzip_like] {
            let content = if magic { IdxContent::Images } else { IdxContent::Labels };
            let _ = parse(&file, content, 3);
        }
    }

    #[test]
    fn a_changed_gzip_file_is_refused_or_unchanged(at: prop::sample::Index, value: u8) {
        let file = images(1);
        let mut bytes = gzip(&file);
        *at.get_mut(&mut bytes) = value;
        if let Ok(pixels) = parse(&bytes, IdxContent::Images, 1) {
            prop_assert_eq!(pixels, &file[16..]); // a change in the gzip header's time stamp
        }
    }

    #[test]
    fn any_labels_are_read_back(labels in prop::collection::vec(0..10_u8, 0..100)) {
        let count = labels.len() as u32;
        prop_assert_eq!(&parse(&idx(&[2049, count], &labels), IdxContent::Labels, count).unwrap(), &labels);
    }
}
