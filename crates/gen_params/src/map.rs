//! Maps a model file into memory, and the files beside it that it names.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gen_params_formats::{Files, ReadError, files::relative};

/// Maps a file into memory, without copying it.
///
/// The file must not be changed while it is mapped; like every program that maps its input, this one may then read
/// either content or be stopped by the operating system.
///
/// # Errors
/// The file cannot be opened, is no regular file, or cannot be mapped.
pub fn map_file(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, not a model file"));
    }
    if metadata.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the mapping is private and read-only, and outlives every slice because `Bytes` owns it. Another process
    // that truncates the file meanwhile can make reads fault, which every reader of mapped files accepts.
    #[allow(unsafe_code, reason = "the one memory map of the program")]
    let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? };
    Ok(Bytes::from_owner(map))
}

/// The files in the folder of a model, for formats that keep their weights outside of the model's file.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder that a model file stands in.
    pub fn of(model: &Path) -> Self {
        let folder = model.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self(folder.unwrap_or(Path::new(".")).to_owned())
    }
}

impl Files for Folder {
    /// A file by its name in the model, also through symbolic links as long as they stay in the folder.
    fn open(&self, name: &str) -> Result<Bytes, ReadError> {
        let refuse =
            |error: io::Error| ReadError::malformed("", error.to_string(), "a file beside the model");
        let folder = self.0.canonicalize().map_err(refuse)?;
        let path = folder.join(relative(name)?).canonicalize().map_err(refuse)?;
        if !path.starts_with(&folder) {
            return Err(ReadError::malformed(
                "",
                "a link out of the model's folder",
                "a file in the model's folder",
            ));
        }
        map_file(&path).map_err(refuse)
    }
}
