//! Maps a model file into memory.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;

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
