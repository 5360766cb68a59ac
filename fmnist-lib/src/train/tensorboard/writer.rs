//! Event files: records as TensorFlow's TFRecord has them, one for each event
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>).

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

use super::proto::{Event, Summary, Value};
use crate::error::{Error, Result};

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Writes into a folder, one of TensorBoard's runs. Its files grow with each epoch, which TensorBoard reads meanwhile:
/// this is why they are not written all or nothing. TensorBoard takes the half of a record for one that is still to come.
#[derive(Debug)]
pub(super) struct EventWriter {
    folder: PathBuf,
    /// The file that grows, and its path; none before the first event, and after a failure.
    file: Option<(PathBuf, File)>,
}

impl EventWriter {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, file: None }
    }

    /// Makes the next event the first of a new file.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Writes `values` at `step` into the file that grows; without values, makes sure that there is one.
    pub(super) fn write(&mut self, step: usize, values: Vec<Value>) -> Result<()> {
        let (path, mut file) = match self.file.take() {
            Some(open) => open,
            None => self.create()?,
        };
        if !values.is_empty() {
            let event = Event {
                step: step as i64,
                summary: Some(Summary { value: values }),
                ..Event::default()
            };
            append(&mut file, event).map_err(Error::io("write", &path))?;
        }
        self.file = Some((path, file));
        Ok(())
    }

    /// TensorBoard reads the files of a folder in the order of their names, and never goes back to the one before.
    fn create(&self) -> Result<(PathBuf, File)> {
        create_dir_all(&self.folder).map_err(Error::io("create", &self.folder))?;
        let seconds = since_1970().as_secs();
        let mut number = 0;
        loop {
            let name = format!("events.out.tfevents.{seconds:010}.fmnist-lib.{number:03}.v2");
            let path = self.folder.join(name);
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    let version = Event {
                        file_version: "brain.Event:2".to_owned(),
                        ..Event::default()
                    };
                    append(&mut file, version).map_err(Error::io("write", &path))?;
                    return Ok((path, file));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io("create", path)(error)),
            }
        }
    }
}

fn append(file: &mut File, event: Event) -> std::io::Result<()> {
    let event = Event {
        wall_time: since_1970().as_secs_f64(),
        ..event
    };
    file.write_all(&record(&event.encode_to_vec()))
}

fn record(data: &[u8]) -> Vec<u8> {
    let masked = |bytes: &[u8]| {
        let sum = CRC32C.checksum(bytes).rotate_right(15);
        sum.wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}
