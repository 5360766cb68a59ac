//! The dataset: damaged files, the real one, and the whole road from a server.

use std::{
    env, fs,
    io::{self, BufRead, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock},
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use fmnist_lib::{CLASSES, Error, FashionMnist, IdxContent, PIXELS, parse_idx};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use parquet::{
    basic,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use proptest::prelude::*;
use tempfile::TempDir;
use tiny_http::{Header, Method, Request, Response, Server};

const SYSTEM: &str = "/usr/share/datasets/fashion-mnist";
const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

static REAL: LazyLock<FashionMnist> =
    LazyLock::new(|| FashionMnist::load_from(SYSTEM).expect("dataset-fashion-mnist is installed"));

fn idx(header: &[u32], values: &[u8]) -> Vec<u8> {
    let header = header.iter().flat_map(|word| word.to_be_bytes());
    header.chain(values.iter().copied()).collect()
}

fn images(count: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count as usize * PIXELS).map(|i| i as u8).collect();
    idx(&[2051, count, 28, 28], &pixels)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

fn gunzip(path: impl AsRef<Path>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
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

#[test]
fn the_real_dataset_has_equal_classes() {
    for (data, each) in [(&REAL.train, 6_000), (&REAL.test, 1_000)] {
        for class in 0..CLASSES as u8 {
            let count = data.labels().iter().filter(|&&label| label == class);
            assert_eq!(count.count(), each);
        }
    }
    // As published: the first training images are an ankle boot and two T-shirts.
    assert_eq!(REAL.train.labels()[..3], [9, 0, 0]);
    // The mean that everybody normalises with: 0.2860 of 255.
    let sum: u64 = REAL
        .train
        .images()
        .iter()
        .map(|&pixel| u64::from(pixel))
        .sum();
    assert!((sum as f64 / (60_000.0 * 784.0 * 255.0) - 0.2860).abs() < 5e-5);
}

#[test]
fn debug_output_is_short() {
    assert_eq!(
        format!("{:?}", *REAL),
        "FashionMnist { train: Dataset { len: 60000, .. }, test: Dataset { len: 10000, .. } }"
    );
}

/// A folder that holds the real files, except that `name` decodes to `bytes`.
fn folder_with(name: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for other in NAMES.iter().filter(|&&other| other != name) {
        let file = format!("{other}.gz");
        std::os::unix::fs::symlink(Path::new(SYSTEM).join(&file), folder.path().join(file))
            .unwrap();
    }
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

#[test]
fn one_flipped_bit_in_the_real_data_is_refused() {
    for name in NAMES {
        let mut bytes = gunzip(Path::new(SYSTEM).join(format!("{name}.gz")));
        let folder = folder_with(name, &bytes);
        FashionMnist::load_from(&folder).unwrap(); // a plain file beside three gzipped ones

        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder.path().join(name), &bytes).unwrap();
        let error = FashionMnist::load_from(&folder).unwrap_err().to_string();
        assert!(error.contains("SHA-256") && error.contains(name), "{error}");
    }
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let error = FashionMnist::load_from("/no/such/folder")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/no/such/folder: there is no such folder"),
        "{error}"
    );
    let folder = folder_with(NAMES[3], &[]);
    fs::remove_file(folder.path().join(NAMES[3])).unwrap();
    let error = FashionMnist::load_from(&folder).unwrap_err().to_string();
    assert!(
        error.contains("neither t10k-labels-idx1-ubyte.gz nor"),
        "{error}"
    );
}

/// The environment belongs to the whole process, so whatever reads it runs in one of its own.
#[test]
#[ignore = "the other tests start this one as a process"]
fn child() {
    let result = match env::var("CHILD_ACTION").as_deref() {
        Ok("download") => FashionMnist::download(),
        Ok("load") => FashionMnist::load(),
        action => panic!("not started by another test: {action:?}"),
    };
    let report = match result {
        Ok(data) if data == *REAL => "the real data".to_owned(),
        Ok(_) => "other data".to_owned(),
        Err(error) => error.to_string(),
    };
    fs::write(env::var_os("CHILD_REPORT").unwrap(), report).unwrap();
}

/// A home without any cache.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, action: &str, variables: &[(&str, &str)]) -> String {
        let here = format!("{}::child", module_path!());
        let name = here.split_once("::").unwrap().1;
        let report = self.0.path().join("report");
        let output = Command::new(env::current_exe().unwrap())
            .args([name, "--exact", "--ignored"])
            .env("CHILD_ACTION", action)
            .env("CHILD_REPORT", &report)
            .env("HF_HOME", self.0.path().join("huggingface"))
            .env("XDG_CACHE_HOME", self.0.path().join("cache"))
            .env("NO_PROXY", "*")
            .env_remove("HF_HUB_CACHE")
            .env_remove("HUGGINGFACE_HUB_CACHE")
            .env_remove("FMNIST_DATA_DIR")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read_to_string(report).unwrap()
    }

    fn download(&self, endpoint: &str) -> String {
        self.run("download", &[("HF_ENDPOINT", endpoint)])
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache/fmnist-lib")
    }

    /// Every file of more than a few bytes, in all caches.
    fn leftovers(&self) -> Vec<PathBuf> {
        let mut folders = vec![
            self.0.path().join("cache"),
            self.0.path().join("huggingface"),
        ];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.metadata().unwrap().len() > 40 {
                    files.push(entry.path()); // longer than a commit's name
                }
            }
        }
        files
    }
}

#[test]
fn the_variable_names_the_only_folder_searched() {
    let home = Home::new();
    let found = home.run("load", &[("FMNIST_DATA_DIR", SYSTEM)]);
    assert_eq!(found, "the real data");
    let found = home.run("load", &[("FMNIST_DATA_DIR", "/no/such/folder")]);
    assert!(
        found.contains("FMNIST_DATA_DIR=/no/such/folder") && found.contains("no such folder"),
        "{found}"
    );
    assert_eq!(
        home.run("load", &[("FMNIST_DATA_DIR", "")]),
        "the real data"
    );
}

/// What the server does with one of its two files.
#[derive(Clone)]
enum Reply {
    File(Arc<[u8]>),
    Missing,
    /// Without an end.
    Endless,
    /// The headers announce 10 GB.
    Huge,
}

/// The Hugging Face Hub, as far as this download goes.
struct Hub(Arc<Server>);

impl Hub {
    fn new(test: Reply, train: Reply) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let hub = Self(server.clone());
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let files = "/datasets/zalando-datasets/fashion_mnist/resolve/\
                             refs%2Fconvert%2Fparquet/fashion_mnist";
                let reply = match request.url().strip_prefix(files) {
                    Some("/test/0000.parquet") => test.clone(),
                    Some("/train/0000.parquet") => train.clone(),
                    _ => Reply::Missing,
                };
                thread::spawn(move || answer(request, reply));
            }
        });
        hub
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.0.server_addr())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.0.unblock();
    }
}

fn answer(request: Request, reply: Reply) {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).unwrap();
    let (size, body): (u64, Box<dyn Read + Send>) = match reply {
        Reply::Missing => {
            let _ = request.respond(Response::from_string("Not Found").with_status_code(404));
            return;
        }
        Reply::File(bytes) => (bytes.len() as u64, Box::new(io::Cursor::new(bytes))),
        Reply::Endless => (0, Box::new(io::repeat(7))),
        Reply::Huge => (10 << 30, Box::new(io::repeat(7))),
    };
    let mut headers = vec![
        header("ETag", &format!("\"{:x}-{size}\"", request.url().len())),
        header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567"),
    ];
    if size > 0 {
        headers.push(header("X-Linked-Size", &size.to_string()));
    }
    let body: Box<dyn Read + Send> = match request.method() {
        Method::Head => Box::new(io::empty()),
        _ => body,
    };
    // A client that has seen enough closes the connection.
    let _ = request.respond(Response::new(200.into(), headers, body, None, None));
}

/// What the Hub's converter makes: image{bytes, path} and label, in several row groups.
fn parquet(images: &[Vec<u8>], labels: &[u8]) -> Reply {
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

fn png(pixels: &[u8]) -> Vec<u8> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new(&mut png);
    encoder
        .write_image(pixels, 28, 28, ExtendedColorType::L8)
        .unwrap();
    png
}

fn pngs(data: &fmnist_lib::Dataset) -> Vec<Vec<u8>> {
    data.images().chunks(PIXELS).map(png).collect()
}

static TEST_PNGS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| pngs(&REAL.test));
static TRAIN: LazyLock<Reply> = LazyLock::new(|| parquet(&pngs(&REAL.train), REAL.train.labels()));
static TEST: LazyLock<Reply> = LazyLock::new(|| parquet(&TEST_PNGS, REAL.test.labels()));

/// The test file, but for image 5.
fn test_with(image: Vec<u8>) -> Reply {
    let mut images = TEST_PNGS.clone();
    images[5] = image;
    parquet(&images, REAL.test.labels())
}

#[test]
fn a_download_is_verified_and_kept() {
    let home = Home::new();
    let hub = Hub::new(TEST.clone(), TRAIN.clone());
    assert_eq!(home.download(&hub.endpoint()), "the real data");

    let mut kept: Vec<_> = fs::read_dir(home.cache())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut expected = NAMES.map(|name| format!("{name}.gz"));
    expected.sort();
    assert_eq!(kept, expected);
    assert_eq!(FashionMnist::load_from(home.cache()).unwrap(), *REAL);

    // Hugging Face's own cache has it now: the server is not needed again.
    drop(hub);
    fs::remove_dir_all(home.cache()).unwrap();
    assert_eq!(home.download("http://127.0.0.1:1"), "the real data");

    // A cache that cannot be written costs only the next start.
    let no_cache = [
        ("HF_ENDPOINT", "http://127.0.0.1:1"),
        ("XDG_CACHE_HOME", "/dev/null"),
    ];
    assert_eq!(home.run("download", &no_cache), "the real data");

    // What is damaged, in either cache, is replaced.
    fs::write(home.cache().join(&expected[0]), b"damaged").unwrap();
    let hub = Hub::new(TEST.clone(), TRAIN.clone());
    for file in home.leftovers() {
        if file.parent().unwrap().ends_with("blobs") {
            fs::write(file, b"damaged").unwrap();
        }
    }
    assert_eq!(home.download(&hub.endpoint()), "the real data");
    assert_eq!(FashionMnist::load_from(home.cache()).unwrap(), *REAL);
}

#[test]
fn what_a_broken_server_sends_is_refused_and_not_kept() {
    let Reply::File(test) = TEST.clone() else {
        unreachable!()
    };
    let mut broken_body = TEST_PNGS[5].clone();
    broken_body[40..].fill(0xff);
    let mut one_bit_off = REAL.test.image(5).to_vec();
    one_bit_off[300] ^= 1;
    let too_large = {
        let mut png = Vec::new();
        let encoder = PngEncoder::new(&mut png);
        encoder
            .write_image(&vec![0; 4096 * 4096], 4096, 4096, ExtendedColorType::L8)
            .unwrap();
        png
    };
    let first = |count| parquet(&TEST_PNGS[..count], &REAL.test.labels()[..count]);

    for (case, reply, expected) in [
        ("missing", Reply::Missing, "Entry not found"),
        (
            "cut off",
            Reply::File(test[..test.len() / 2].into()),
            "0000.parquet: ",
        ),
        (
            "not parquet",
            Reply::File(vec![b'x'; 5_000].into()),
            "0000.parquet: ",
        ),
        ("too few", first(9_999), "9999 images instead of 10000"),
        (
            "not an image",
            test_with(b"GIF89a".to_vec()),
            "row 5 is not a 28x28 PNG image",
        ),
        (
            "large image",
            test_with(too_large),
            "row 5 is not a 28x28 PNG image",
        ),
        ("broken image", test_with(broken_body), "cannot be decoded"),
        ("other image", test_with(png(&one_bit_off)), "SHA-256"),
        ("endless", Reply::Endless, "far too many"),
        ("huge", Reply::Huge, "far too many"),
    ] {
        let home = Home::new();
        let hub = Hub::new(reply, TRAIN.clone());
        let found = home.download(&hub.endpoint());
        assert!(found.contains(expected), "{case}: {found}");
        let address = format!(
            "{}/datasets/zalando-datasets/fashion_mnist: ",
            hub.endpoint()
        );
        assert!(found.starts_with(&address), "{case}: {found}");
        assert_eq!(home.leftovers(), Vec::<PathBuf>::new(), "{case}");

        if case == "broken image" {
            // Nothing of the failure is remembered.
            let hub = Hub::new(TEST.clone(), TRAIN.clone());
            assert_eq!(home.download(&hub.endpoint()), "the real data");
        }
    }
}

#[test]
fn an_unreachable_server_fails_in_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap(); // connects, but never answers
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (address, expected, seconds) in [
        (nobody, "Connection refused", 5),
        (
            silent.local_addr().unwrap(),
            "nothing was received for 10 seconds",
            20,
        ),
    ] {
        let started = Instant::now();
        let found = Home::new().download(&format!("http://{address}"));
        assert!(found.contains(expected), "{found}");
        assert!(started.elapsed() < Duration::from_secs(seconds));
    }
}
