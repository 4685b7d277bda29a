//! The folder is complete or not there, and nothing foreign is lost.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gen_params_emit::folder::files;
use gen_params_emit::{
    Error, Existing, FileToWrite, Format, Formats, Manifest, write_folder, write_parameters,
};

use crate::sample::{conv, network, sample};

/// Every file under `folder` with its bytes.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(
                contents(&entry.path()).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
            found.entry(format!("{name}/")).or_default();
        } else {
            found.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn manifest() -> Manifest {
    Manifest::describe(&network(vec![conv()]), None, &Formats::default())
}

fn hello() -> FileToWrite<'static> {
    FileToWrite::new("golden/hello.txt", |out| out.write_all(b"abc"))
}

fn all(directory: &Path, existing: Existing) -> Result<Manifest, Error> {
    write_parameters(directory, &sample(), None, &Formats::from_iter(Format::ALL), existing)
}

#[test]
fn every_file_is_in_the_manifest_with_its_digest() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("a/b/weight");
    let manifest = write_folder(&directory, &[hello()], manifest(), Existing::KeepForeign).unwrap();
    let [record] = manifest.files.as_slice() else { panic!("{:?}", manifest.files) };
    assert_eq!((record.name.as_str(), record.bytes), ("golden/hello.txt", 3));
    // The example of FIPS 180-2, appendix B.1.
    assert_eq!(record.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let expected = ["a/", "a/b/", "a/b/weight/", "a/b/weight/golden/", "a/b/weight/golden/hello.txt"];
    let found = contents(place.path());
    assert_eq!(
        found.keys().map(String::as_str).collect::<Vec<_>>(),
        [&expected[..], &["a/b/weight/manifest.json"]].concat()
    );
    let text = &found["a/b/weight/manifest.json"];
    assert_eq!(Manifest::from_json(text).unwrap(), manifest);

    // With all formats: the list of files is the folder.
    let directory = place.path().join("all");
    let manifest = all(&directory, Existing::KeepForeign).unwrap();
    let mut listed: Vec<_> = manifest.files.iter().map(|file| (file.name.clone(), file.bytes)).collect();
    let mut found = contents(&directory);
    found.remove("manifest.json").unwrap();
    listed.sort();
    assert_eq!(
        listed,
        found.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect::<Vec<_>>()
    );
}

#[test]
fn two_runs_write_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, threads| {
        let directory = place.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all(&directory, Existing::KeepForeign)).unwrap();
        contents(&directory)
    };
    let (one, four) = (write("one", 1), write("four", 4));
    assert!(one.len() > 40);
    assert!(one == four);
}

/// The ways in which writing fails half way: an error and a panic.
fn failures() -> [FileToWrite<'static>; 2] {
    [
        FileToWrite::new("bad", |out| {
            out.write_all(&[0; 100_000])?;
            Err(io::Error::other("the disk is full"))
        }),
        FileToWrite::new("bad", |_| panic!("this panic is part of the test")),
    ]
}

#[test]
fn a_failure_leaves_nothing_behind() {
    for bad in failures() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("new/weight");
        let files = [hello(), bad, hello()];
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            write_folder(&directory, &files[..2], manifest(), Existing::KeepForeign)
        }));
        if let Ok(result) = outcome {
            let message = result.unwrap_err().to_string();
            assert!(message.ends_with("bad: the disk is full"), "{message}");
        }
        assert_eq!(contents(place.path()), BTreeMap::new());
        // The same name twice is a failure, too.
        write_folder(&directory, &[hello(), hello()], manifest(), Existing::KeepForeign).unwrap_err();
        assert_eq!(contents(place.path()), BTreeMap::new());
    }
}

#[test]
fn a_failure_keeps_the_folder_that_was_there() {
    for existing in [Existing::KeepForeign, Existing::Replace] {
        for bad in failures() {
            let place = tempfile::tempdir().unwrap();
            let directory = place.path().join("weight");
            all(&directory, Existing::KeepForeign).unwrap();
            let before = contents(place.path());
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                write_folder(&directory, &[hello(), bad], manifest(), existing)
            }));
            assert!(!matches!(outcome, Ok(Ok(_))));
            assert!(contents(place.path()) == before);
        }
    }
}

#[test]
fn own_and_empty_folders_are_replaced() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("weight");
    fs::create_dir(&directory).unwrap();
    all(&directory, Existing::KeepForeign).unwrap();
    let first = contents(place.path());
    all(&directory, Existing::KeepForeign).unwrap();
    assert!(contents(place.path()) == first);

    write_folder(&directory, &[hello()], manifest(), Existing::KeepForeign).unwrap();
    let found: Vec<_> = contents(place.path()).into_keys().collect();
    assert_eq!(found, ["weight/", "weight/golden/", "weight/golden/hello.txt", "weight/manifest.json"]);
    write_folder(&directory, &[], manifest(), Existing::KeepForeign).unwrap();
    assert_eq!(contents(&directory).into_keys().collect::<Vec<_>>(), ["manifest.json"]);
}

#[test]
fn foreign_folders_are_replaced_by_force_only() {
    type Prepare = fn(&Path);
    let rows: &[(&str, Prepare)] = &[
        ("it is a file", |path| fs::write(path, "thesis").unwrap()),
        ("it is not empty and has no manifest.json", |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("notes.txt"), "x").unwrap();
        }),
        ("its manifest.json was not written by gen_params", |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("manifest.json"), r#"{"name": "web app"}"#).unwrap();
        }),
        ("its manifest.json was not written by gen_params", |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("manifest.json"), r#"{"schema": 1, "generator": "x", "files": []}"#).unwrap();
        }),
        ("it holds notes.txt, which is not in its manifest.json", |path| {
            all(path, Existing::KeepForeign).unwrap();
            fs::write(path.join("notes.txt"), "x").unwrap();
        }),
        ("it holds golden/notes.txt, which is not in its manifest.json", |path| {
            write_folder(path, &[hello()], manifest(), Existing::KeepForeign).unwrap();
            fs::write(path.join("golden/notes.txt"), "x").unwrap();
        }),
    ];
    for (expected, prepare) in rows {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("weight");
        prepare(&directory);
        let before = fs::metadata(&directory).unwrap().is_dir().then(|| contents(place.path()));
        match all(&directory, Existing::KeepForeign) {
            Err(Error::Foreign { found, hint, .. }) => {
                assert_eq!(
                    (found.as_str(), hint),
                    (*expected, "name another folder, or give --force to replace it")
                );
            }
            other => panic!("{expected}: {other:?}"),
        }
        if let Some(before) = before {
            assert!(contents(place.path()) == before);
        }
        all(&directory, Existing::Replace).unwrap();
        assert!(directory.join("params.npz").is_file() && !directory.join("notes.txt").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}

#[test]
fn the_current_folder_is_never_replaced() {
    for existing in [Existing::KeepForeign, Existing::Replace] {
        for directory in [".", "..", "/"] {
            let result = write_folder(Path::new(directory), &[], manifest(), existing);
            assert!(matches!(result, Err(Error::Foreign { .. })), "{directory}: {result:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_its_folder_is_replaced() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let place = tempfile::tempdir().unwrap();
    let (real, link) = (place.path().join("real"), place.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    all(&link, Existing::KeepForeign).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && real.join("params.h").is_file());

    // Other users may read the folder as they may read any that this process makes.
    let usual = place.path().join("usual");
    fs::create_dir(&usual).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&real), mode(&usual));
}

#[test]
fn files_render_the_same_twice() {
    let parameters = sample();
    for file in files(&parameters, &Formats::from_iter(Format::ALL)).unwrap() {
        let [one, two] = [(), ()].map(|()| {
            let mut out = io::Cursor::new(Vec::new());
            file.render(&mut out).unwrap();
            out.into_inner()
        });
        assert!(one == two, "{}", file.name());
    }
}
