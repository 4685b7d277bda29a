//! A folder of files that is written whole or not at all.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tempfile::TempDir;

use crate::Error;
use crate::folder::digest::digest;
use crate::folder::manifest::{self, FileRecord, GENERATOR, Manifest, Mark};
use crate::output::FileToWrite;

/// What to do with a folder that is there already and is not this tool's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    KeepForeign,
    /// Replace it, whatever it holds: `--force`.
    Replace,
}

impl Existing {
    /// What `--force` says, given or not.
    pub fn forced(force: bool) -> Self {
        if force { Self::Replace } else { Self::KeepForeign }
    }
}

/// Writes `files`, and `manifest` with their sizes and digests, as the whole content of `directory`.
///
/// Everything is written into a new folder beside `directory`, which then takes its name. Whatever fails, `directory`
/// is afterwards what it was before. A folder that is there already is replaced if it is empty or holds nothing but
/// the files that its own manifest lists, anything else only with [`Existing::Replace`].
///
/// Returns the manifest as written.
///
/// # Errors
///
/// [`Error::Foreign`] before anything is written; [`Error::Io`] with the file and what was tried.
pub fn write_folder(
    directory: &Path,
    files: &[FileToWrite<'_>],
    mut manifest: Manifest,
    existing: Existing,
) -> Result<Manifest, Error> {
    let target = Target::new(directory, existing)?;
    let parents = CreatedFolders::create(&target.parent)?;
    let partial = target.folder_beside("partial")?;

    // One file a task: they differ in size by four orders of magnitude.
    let records: Result<Vec<_>, Error> =
        files.par_iter().with_max_len(1).map(|file| write_file(partial.path(), file)).collect();
    manifest.files = records?;
    manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
    let text = manifest.to_json()?;
    let path = partial.path().join(manifest::FILE_NAME);
    fs::write(&path, text).map_err(Error::io("write", path))?;

    target.replace(partial)?;
    parents.keep();
    Ok(manifest)
}

/// Writes one file and digests what has arrived on the disk.
fn write_file(folder: &Path, file: &FileToWrite<'_>) -> Result<FileRecord, Error> {
    let path = folder.join(file.name());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create_new(true).open(&path);
    let mut out = BufWriter::with_capacity(1 << 16, opened.map_err(Error::io("create", &path))?);
    let written =
        file.render(&mut out).and_then(|()| out.into_inner().map_err(io::IntoInnerError::into_error));
    let mut written = written.map_err(Error::io("write", &path))?;
    let (bytes, sha256) = digest(&mut written).map_err(Error::io("read back", &path))?;
    Ok(FileRecord { name: file.name().to_owned(), bytes, sha256 })
}

/// Where the folder goes.
struct Target {
    /// The folder itself, links resolved.
    directory: PathBuf,
    /// The folder that holds it.
    parent: PathBuf,
    /// Its name in `parent`.
    name: OsString,
    /// Whether something is there already, and may be replaced.
    exists: bool,
}

impl Target {
    /// Resolves `directory` and refuses what must not be replaced.
    fn new(directory: &Path, existing: Existing) -> Result<Self, Error> {
        let foreign = |found: String, hint| Error::Foreign { directory: directory.to_owned(), found, hint };
        let exists = match fs::symlink_metadata(directory) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(Error::io("look at", directory)(error)),
        };
        // A link stays, and what it points to is replaced.
        let resolved = if exists { fs::canonicalize(directory) } else { std::path::absolute(directory) };
        let resolved = resolved.map_err(Error::io("resolve", directory))?;
        let (Some(parent), Some(name)) = (resolved.parent(), resolved.file_name()) else {
            return Err(foreign("it is not the name of a folder".to_owned(), OTHER_FOLDER));
        };
        if exists {
            let holds_current = std::env::current_dir().is_ok_and(|current| current.starts_with(&resolved));
            if holds_current {
                return Err(foreign("it is, or holds, the current folder".to_owned(), OTHER_FOLDER));
            }
            if existing == Existing::KeepForeign
                && let Some(found) = find_foreign(&resolved)?
            {
                return Err(foreign(found, FORCE));
            }
        }
        Ok(Self { parent: parent.to_owned(), name: name.to_owned(), exists, directory: resolved })
    }

    /// Makes a new folder beside the target, hidden, which disappears when dropped.
    fn folder_beside(&self, purpose: &str) -> Result<TempDir, Error> {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(format!(".{purpose}-"));
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // What a folder gets that is not a temporary one; the user's umask still applies.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        builder.tempdir_in(&self.parent).map_err(Error::io("create a folder in", &self.parent))
    }

    /// Gives `partial` the target's name. What had it before is removed last.
    fn replace(&self, partial: TempDir) -> Result<(), Error> {
        if !self.exists {
            fs::rename(partial.path(), &self.directory).map_err(Error::io("rename to", &self.directory))?;
            // Nothing is left there to remove.
            let _moved = partial.keep();
            return Ok(());
        }
        let aside = self.folder_beside("old")?;
        let old = aside.path().join(&self.name);
        let busy = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices)
        };
        fs::rename(&self.directory, &old).map_err(|error| match busy(&error) {
            true => Error::io("replace (give a folder inside it if this is a mount point)", &self.directory)(
                error,
            ),
            false => Error::io("replace", &self.directory)(error),
        })?;
        if let Err(error) = fs::rename(partial.path(), &self.directory) {
            if fs::rename(&old, &self.directory).is_err() {
                // The old folder must not be removed with the one that it is in.
                let _kept = aside.keep();
                return Err(Error::io("put back, after a failed replacement,", old)(error));
            }
            return Err(Error::io("replace", &self.directory)(error));
        }
        let _moved = partial.keep();
        let path = aside.path().to_owned();
        aside.close().map_err(Error::io("remove the old folder at", path))
    }
}

const FORCE: &str = "name another folder, or give --force to replace it";
const OTHER_FOLDER: &str = "name another folder";

/// The first thing in `directory` that this tool did not write, if there is any.
fn find_foreign(directory: &Path) -> Result<Option<String>, Error> {
    if !directory.is_dir() {
        return Ok(Some("it is a file".to_owned()));
    }
    if fs::read_dir(directory).map_err(Error::io("list", directory))?.next().is_none() {
        return Ok(None);
    }
    let path = directory.join(manifest::FILE_NAME);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("it is not empty and has no {}", manifest::FILE_NAME)));
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let Some(mark) = serde_json::from_slice::<Mark>(&text).ok().filter(|mark| mark.generator == GENERATOR)
    else {
        return Ok(Some(format!("its {} was not written by {GENERATOR}", manifest::FILE_NAME)));
    };
    let names = mark.files.iter().map(|file| file.name.as_str()).chain([manifest::FILE_NAME]);
    let own: HashSet<PathBuf> = names
        .flat_map(|name| directory.join(name).ancestors().map(Path::to_owned).collect::<Vec<_>>())
        .collect();
    let stranger = find_stranger(directory, &own)?;
    Ok(stranger.map(|path| {
        let path = path.strip_prefix(directory).unwrap_or(&path);
        format!("it holds {}, which is not in its {}", path.display(), manifest::FILE_NAME)
    }))
}

/// The first path under `directory` that is not in `own`.
fn find_stranger(directory: &Path, own: &HashSet<PathBuf>) -> Result<Option<PathBuf>, Error> {
    let mut entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(Error::io("list", directory))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if !own.contains(&path) {
            return Ok(Some(path));
        }
        let kind = entry.file_type().map_err(Error::io("look at", &path))?;
        if kind.is_dir()
            && let Some(stranger) = find_stranger(&path, own)?
        {
            return Ok(Some(stranger));
        }
    }
    Ok(None)
}

/// Folders above the target that were not there; they disappear again unless kept.
struct CreatedFolders(Vec<PathBuf>);

impl CreatedFolders {
    fn create(folder: &Path) -> Result<Self, Error> {
        let missing = folder.ancestors().take_while(|ancestor| !ancestor.exists());
        let created = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        Ok(created)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for CreatedFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // An error is not worth more than the one that led here; another program may use the folder by now.
            let _ = fs::remove_dir(folder);
        }
    }
}
