//! A folder of pictures, with a folder in it for each class.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use rayon::prelude::*;

use super::Dataset;
use super::picture::read_picture;
use super::resize::check_sides;
use super::source::must_be_there;
use crate::error::{Error, Result};

/// Ends of the names of files that are taken for pictures.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"];

impl Dataset {
    /// Reads a folder that has a folder for each class, as Keras's `image_dataset_from_directory` does: the
    /// names of these are the classes, in the order of the alphabet, and each picture in them (PNG, JPEG,
    /// PGM or PPM) is an image of the class. Other files, and those whose names begin with a dot, are
    /// passed over.
    ///
    /// Each picture is made `shape` (height, width, channels), whatever its own sides are to each other: 1
    /// channel is grey, 3 are red, green and blue. A phone's photograph is turned as its camera was held.
    ///
    /// ```no_run
    /// use fmnist_lib::*;
    ///
    /// let flowers = Dataset::from_folder("flowers", [64, 64, 3])?;
    /// let (train, validation) = Split::new(0.8, 1).stratified().apply(&flowers)?;
    /// println!("{} images of {:?}", train.len(), train.class_names());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] when a folder or a file cannot be read; [`Error::Data`] when there is no folder with a
    /// picture, or a file is none; [`Error::Invalid`] for other channels than 1 or 3, sides of 0 or above
    /// 4096, or more than 256 classes.
    pub fn from_folder(folder: impl AsRef<Path>, shape: [usize; 3]) -> Result<Self> {
        Self::read_folder(folder.as_ref(), shape)
    }

    fn read_folder(folder: &Path, shape: [usize; 3]) -> Result<Self> {
        must_be_there(folder)?;
        if ![1, 3].contains(&shape[2]) {
            return Err(Error::Invalid(format!(
                "pictures have 1 channel (grey) or 3 (red, green, blue), not {}",
                shape[2]
            )));
        }
        check_sides([shape[0], shape[1]])?;
        let classes = entries(folder, |path| path.is_dir())?;
        let mut pictures = Vec::new();
        for (label, class) in classes.iter().enumerate() {
            let files = entries(class, is_picture)?;
            pictures.extend(files.into_iter().map(|file| (file, label)));
        }
        if pictures.is_empty() {
            return Err(Error::Data {
                origin: folder.display().to_string(),
                problem:
                    "there is no picture in a folder of it: each class needs a folder, with PNG or \
                          JPEG files"
                        .to_owned(),
            });
        }
        let read = |(path, _): &(PathBuf, usize)| read_resized(path, shape);
        let images: Vec<Vec<u8>> = pictures.par_iter().map(read).collect::<Result<_>>()?;
        let labels = pictures.iter().map(|&(_, label)| label as u8).collect();
        let names = classes.iter().filter_map(|class| class.file_name());
        let names = names.map(|name| name.to_string_lossy());
        Self::of_shape(shape, names, images.concat(), labels)
    }
}

/// What is in a folder and wanted, in the order of the names.
fn entries(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && wanted(&entry.path()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let end = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    PICTURES.contains(&end.to_ascii_lowercase().as_str())
}

fn read_resized(path: &Path, [height, width, channels]: [usize; 3]) -> Result<Vec<u8>> {
    let picture = read_picture(path)?;
    let small = picture.resize_exact(width as u32, height as u32, FilterType::Triangle);
    Ok(match channels {
        1 => small.into_luma8().into_raw(),
        _ => small.into_rgb8().into_raw(),
    })
}
