//! From a server to four files: what is kept, what is refused, and how long a silence may be.
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::data::{NAMES, read, real};
use crate::files::{TEST, TEST_PNGS, TRAIN, parquet, png, test_with};
use crate::home::Home;
use crate::hub::{Hub, Reply};

#[test]
fn a_download_is_verified_and_kept() {
    let home = Home::new();
    let hub = Hub::new(TEST.clone(), TRAIN.clone());
    assert_eq!(home.download(&hub.endpoint()), "done");

    let mut kept: Vec<_> = fs::read_dir(home.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    let mut expected = NAMES;
    expected.sort();
    assert_eq!(kept, expected);
    assert!(read(&home.folder()) == *real());

    // Hugging Face's own cache has it now: the server is not needed again.
    drop(hub);
    fs::remove_dir_all(home.folder()).unwrap();
    assert_eq!(home.download("http://127.0.0.1:1"), "done");

    // A folder that cannot be written.
    let found = home.run(&["--child", "/dev/null/folder"], "http://127.0.0.1:1");
    assert!(
        found.starts_with("cannot create /dev/null/folder: "),
        "{found}"
    );

    // What is damaged, in either cache, is replaced.
    fs::write(home.folder().join(expected[0]), b"damaged").unwrap();
    let hub = Hub::new(TEST.clone(), TRAIN.clone());
    for file in home.leftovers() {
        if file.parent().unwrap().ends_with("blobs") {
            fs::write(file, b"damaged").unwrap();
        }
    }
    assert_eq!(home.download(&hub.endpoint()), "done");
    assert!(read(&home.folder()) == *real());
}

#[test]
fn what_a_broken_server_sends_is_refused_and_not_kept() {
    let Reply::File(test) = TEST.clone() else {
        unreachable!()
    };
    let mut broken_body = TEST_PNGS[5].clone();
    broken_body[40..].fill(0xff);
    let mut one_bit_off = real().test.pixels[5 * 784..][..784].to_vec();
    one_bit_off[300] ^= 1;
    let too_large = {
        let mut png = Vec::new();
        let encoder = PngEncoder::new(&mut png);
        encoder
            .write_image(&vec![0; 4096 * 4096], 4096, 4096, ExtendedColorType::L8)
            .unwrap();
        png
    };
    let first = |count| parquet(&TEST_PNGS[..count], &real().test.labels[..count]);

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
            assert_eq!(home.download(&hub.endpoint()), "done");
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

/// Whoever has started the program is gone, or does not want it any more.
#[test]
fn it_ends_with_its_standard_input() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let folder = home.folder();
    let mut command = home.command(&format!("http://{}", silent.local_addr().unwrap()));
    let mut child = command
        .arg("--child")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It is at work once it has asked the server.
    silent.accept().unwrap();
    let started = Instant::now();
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(5));
    let mut said = String::new();
    child.stdout.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn by_hand_it_complains_on_standard_error() {
    let home = Home::new();
    let output = home
        .command("http://127.0.0.1:1")
        .arg(home.folder())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "\nerror: http://127.0.0.1:1/datasets/zalando-datasets/fashion_mnist: ";
    assert!(told.contains(expected), "{told}");
    assert_eq!(output.stdout, b"");
    for arguments in [
        &[][..],
        &["--child"],
        &["--what", "folder"],
        &["one", "other"],
    ] {
        let output = home.command("").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stderr.starts_with(b"fmnist-download FOLDER\n"));
    }
}
