//! Reads the `.npz` files of numpy.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use npyz::NpyFile;
use zip::ZipArchive;

/// An archive of arrays.
#[derive(Debug)]
pub struct NpzArchive<R: Read + Seek = BufReader<File>> {
    zip: ZipArchive<R>,
    names: Vec<String>,
}

impl NpzArchive {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no zip archive.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut zip = ZipArchive::new(BufReader::new(File::open(path)?))?;
        let mut names = Vec::new();
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index)?;
            names.extend(entry.name()?.strip_suffix(".npy").map(str::to_owned));
        }
        Ok(Self { zip, names })
    }
}

impl<R: Read + Seek> NpzArchive<R> {
    /// The names of all arrays, in the order of the file.
    pub fn array_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// One array; `None` where there is none of that name.
    ///
    /// # Errors
    /// An array that cannot be unpacked.
    pub fn by_name(&mut self, name: &str) -> io::Result<Option<NpyFile<Cursor<Vec<u8>>>>> {
        if !self.names.iter().any(|known| known == name) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.zip.by_name(&format!("{name}.npy"))?.read_to_end(&mut bytes)?;
        NpyFile::new(Cursor::new(bytes)).map(Some)
    }
}
