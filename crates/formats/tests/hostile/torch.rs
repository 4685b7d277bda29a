//! No bytes make the reader panic, hang, or allocate much more than the file itself.

use std::collections::BTreeMap;
use std::fs;
use std::panic::catch_unwind;
use std::time::Duration;

use bytes::Bytes;
use gen_params_formats::{ErrorKind, ReadError, read};
use gen_params_test_support::{files, needs, processor_time, shared};

use crate::{ALLOCATOR, alone};

const MOST_MEMORY: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);

/// Whether an error names a place inside the file, or speaks of the whole file and says which kind of file was expected.
fn says_enough(error: &ReadError) -> bool {
    let whole = error.expected.contains("model") || error.expected.contains("torch.save");
    !error.found.is_empty() && (!error.place.is_empty() || whole)
}

/// Reads many files and remembers what went wrong.
#[derive(Default)]
struct Trial {
    outcomes: BTreeMap<&'static str, usize>,
    slowest: Duration,
    wrong: Vec<String>,
}

impl Trial {
    fn read(&mut self, name: &dyn Fn() -> String, bytes: Bytes) -> Option<Result<(), ReadError>> {
        // An allocation beyond the limit aborts the test; `--nocapture` then shows the file that came last.
        ALLOCATOR.set_limit(ALLOCATOR.allocated() + bytes.len() + MOST_MEMORY).unwrap();
        let start = processor_time();
        let result = catch_unwind(|| read(bytes).map(drop));
        let time = processor_time() - start;
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        self.slowest = self.slowest.max(time);
        if time > MOST_TIME {
            self.wrong.push(format!("{}: {time:?}", name()));
        }
        let Ok(result) = result else {
            self.wrong.push(format!("{}: panic", name()));
            return None;
        };
        let outcome = match &result {
            Ok(()) => "read",
            Err(error) if !says_enough(error) => {
                self.wrong.push(format!("{}: an error without a place: {error:?}", name()));
                "nameless"
            }
            Err(error) if error.kind == ErrorKind::Malformed => "malformed",
            Err(_) => "unsupported",
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        Some(result)
    }

    fn finish(self) {
        println!("{:?}, slowest {:?}", self.outcomes, self.slowest);
        let first: Vec<&str> = self.wrong.iter().take(50).map(String::as_str).collect();
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), first.join("\n"));
    }
}

#[needs(shared)]
fn hostile_files_are_answered_with_an_error() {
    let shared = shared();
    let _alone = alone();
    let mut trial = Trial::default();
    for folder in ["pickle", "torch", "zip_tar"] {
        for path in files(&shared.join("bad").join(folder), &[""]) {
            let name = || path.strip_prefix(&shared).unwrap().display().to_string();
            let result = trial.read(&name, fs::read(&path).unwrap().into());
            // What CPython pickled is a pickle, whatever the version; only not one of a network.
            let sound =
                path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("cpython"));
            match result {
                Some(Ok(())) => trial.wrong.push(format!("{}: read", name())),
                Some(Err(error)) if sound && error.kind == ErrorKind::Malformed => {
                    trial.wrong.push(format!("{}: {error}", name()));
                }
                _ => {}
            }
        }
    }
    trial.finish();
}

/// A legacy file around the pickle of one object, with one storage of four floats under the key `0`.
fn legacy(object: &[u8], storages: bool) -> Vec<u8> {
    let mut file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02".to_vec();
    file.extend_from_slice(object);
    if storages {
        file.extend_from_slice(b".\x80\x02](X\x01\0\0\x000e.");
        file.extend_from_slice(&4i64.to_le_bytes());
        file.extend_from_slice(&[0; 16]);
    } else {
        file.extend_from_slice(b".\x80\x02].");
    }
    file
}

/// A module whose only attribute `x` is `value`.
fn module(value: &[u8]) -> Vec<u8> {
    let attribute = [b"(X\x08\0\0\0_modules}X\x01\0\0\0x", value, b"u"].concat();
    [&b"cnet\nNet\n)\x81}"[..], &attribute, b"b"].concat()
}

/// A call that makes a tensor on the storage `0` of `count` elements; all but names and count are opcodes.
fn tensor(function: &str, class: &str, count: u8, window: [&[u8]; 3], rest: &[u8]) -> Vec<u8> {
    let storage = format!("(X\x07\0\0\0storagectorch\n{class}\nX\x01\0\0\x000X\x03\0\0\0cpuK");
    let head = format!("ctorch._utils\n{function}\n({storage}");
    [head.as_bytes(), &[count], b"tQ", &window.concat(), rest, b"\x89}tR"].concat()
}

/// A state_dict with one tensor `w` of these offset, sizes and strides.
fn state_dict(offset: &[u8], sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let tensor = tensor("_rebuild_tensor_v2", "FloatStorage", 4, [offset, sizes, strides], b"");
    [&b"}X\x01\0\0\0w"[..], &tensor, b"s"].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive of stored entries.
fn stored<'a>(entries: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    use std::io::Write as _;
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// `levels` lists, each of which holds the one before twice.
fn doubling(levels: u8) -> Vec<u8> {
    let mut pickle = b"]q\0".to_vec();
    for level in 0..levels {
        pickle.extend([b'0', b']', b'(', b'h', level, b'h', level, b'e', b'q', level + 1]);
    }
    pickle
}

#[test]
fn crafted_files_cost_little_and_are_refused_in_words() {
    let _alone = alone();
    const MANY: usize = 4_000_000;
    let nested = |depth: usize| [vec![b']'; depth], vec![b'a'; depth - 1]].concat();
    let shared_text = {
        let text = vec![b'a'; 1 << 20];
        let mut value = [&b"(X"[..], &(1u32 << 20).to_le_bytes(), &text, b"q\x01"].concat();
        value.extend(b"h\x01".repeat(1 << 20));
        [value, b"t".to_vec()].concat()
    };
    // A module that is registered twice in a module that is registered twice, and so on.
    let module_doubling = {
        let mut pickle = b"cnet\nNet\n)\x81}X\x08\0\0\0_modules}sbq\0".to_vec();
        for level in 0..60u8 {
            pickle.extend_from_slice(b"0cnet\nNet\n)\x81}X\x08\0\0\0_modules}(X\x01\0\0\0ah");
            pickle.extend_from_slice(&[level, b'X', 1, 0, 0, 0, b'b', b'h', level]);
            pickle.extend_from_slice(&[b'u', b's', b'b', b'q', level + 1]);
        }
        pickle
    };
    // The checkpoint holds itself, and a module holds itself.
    let cyclic_dict = b"}q\0X\x01\0\0\0ah\0s".to_vec();
    let cyclic_module = b"cnet\nNet\n)\x81q\0}X\x08\0\0\0_modules}X\x01\0\0\0ah\0ssb".to_vec();
    let cyclic_tuple = module(b"]q\x01(h\x01ta");
    let cyclic_list = module(b"]q\x01h\x01a");
    let many_entries = stored((0..70_000).map(|index| (format!("x/{index}"), &b""[..])));
    // As many entries as are let in, and a flood behind them.
    let entries_and_flood = stored(
        (0..60_000)
            .map(|index| (format!("x/{index}"), &b""[..]))
            .chain([("x/data.pkl".to_owned(), &[b']'; MANY][..])]),
    );
    let scales = {
        // Per-channel scales expanded out of one number, again and again.
        let window: [&[u8]; 3] = [b"K\0", b"J\0\0\x01\0\x85", b"K\0\x85"];
        let scales = tensor("_rebuild_tensor_v2", "FloatStorage", 4, window, b"");
        let zero_points = tensor("_rebuild_tensor_v2", "IntStorage", 4, window, b"");
        let quantizer = [&b"(ctorch\nper_channel_affine\n"[..], &scales, &zero_points, b"K\0t"].concat();
        let weight = tensor("_rebuild_qtensor", "QInt8Storage", 16, window, &quantizer);
        let mut pickle = [&b"}(X\x01\0\0\0a"[..], &weight, b"q\x01"].concat();
        for index in 0..2000u16 {
            pickle.extend_from_slice(b"X\x04\0\0\0");
            pickle.extend_from_slice(format!("{index:04}").as_bytes());
            pickle.extend_from_slice(b"h\x01");
        }
        pickle.push(b'u');
        pickle
    };
    let long = |text: &[u8]| [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat();
    let long_key = |name: &[u8]| {
        let key = long(&[name, &vec![b'a'; 1 << 20]].concat());
        [&key[..], b"q\x01N", &b"h\x01N".repeat(200_000)].concat()
    };
    let long_state_key =
        [&b"}(X\x01\0\0\0w"[..], &state_dict(b"K\0", b"K\x04\x85", b"K\x01\x85")[7..]].concat();
    let long_state_key = [&long_state_key[..long_state_key.len() - 1], &long_key(b""), b"u"].concat();
    let long_hooks = [&b"cnet\nNet\n)\x81}(X\x08\0\0\0_modules}"[..], &long_key(b"_"), b"ub"].concat();
    let long_class = {
        let class = [&b"c__torch__.___torch_mangle_0."[..], &vec![b'a'; 1 << 20], b"\nB\nq\x01"].concat();
        module(&[&b"("[..], &class, b")\x81", &b"h\x01)\x81".repeat(100_000), b"t"].concat())
    };
    let shared_state = {
        let state = [&b"}q\x01("[..], &b"NN".repeat(100_000), b"u0"].concat();
        let mut pickle = [&state[..], b"ca\nB\nq\x020}("].concat();
        for index in 0..100_000u32 {
            pickle.extend_from_slice(&long(format!("{index}").as_bytes()));
            pickle.extend_from_slice(b"h\x02)\x81h\x01b");
        }
        [pickle, b"u".to_vec()].concat()
    };
    // Every entry of the directory points at the same megabyte.
    let overlapping = {
        let weights = vec![0; 1 << 20];
        let names = (0..1000).map(|index| (format!("x/data/{index}"), &b""[..]));
        let mut file = stored([("x/data.pkl".to_owned(), &weights[..])].into_iter().chain(names));
        let directory = memchr::memmem::find(&file, b"PK\x01\x02").unwrap();
        let (crc, sizes, offset) = (16..20, 20..28, 42..46);
        let first = file[directory..directory + 46].to_vec();
        let headers: Vec<usize> = memchr::memmem::find_iter(&file[directory..], b"PK\x01\x02").collect();
        for header in headers {
            for field in [&crc, &sizes, &offset] {
                let to = directory + header;
                file[to + field.start..to + field.end].copy_from_slice(&first[field.clone()]);
            }
        }
        file
    };
    let flood = |opcode: &[u8]| legacy(&opcode.repeat(MANY), false);
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("lists that double", legacy(&module(&doubling(60)), false), "expand far beyond"),
        ("modules that double", legacy(&module_doubling, false), "expand far beyond"),
        ("one text a million times", legacy(&module(&shared_text), false), "expand far beyond"),
        (
            "a huge memo index",
            legacy(&module(b"Nr\xff\xff\xff\xffj\xfe\xff\xff\xff"), false),
            "memo index 4294967294",
        ),
        ("a decimal memo index", legacy(&module(b"Np99999999999999\n"), false), "a memo index"),
        ("a million lists deep", legacy(&nested(200_000), false), "without the tensors"),
        ("deep lists in a module", legacy(&module(&nested(200_000)), false), "levels of nesting"),
        (
            "deep tuples in a module",
            legacy(&module(&[&b")"[..], &b"\x85".repeat(100_000)].concat()), false),
            "levels of nesting",
        ),
        ("a flood of MARK", flood(b"("), "expand far beyond"),
        ("a flood of lists", flood(b"]"), "expand far beyond"),
        ("a flood of dicts", flood(b"}"), "expand far beyond"),
        ("a flood of floats", flood(b"G\0\0\0\0\0\0\0\0"), "expand far beyond"),
        (
            "a flood of memo entries",
            legacy(&[&b"N"[..], &b"\x94".repeat(MANY)].concat(), false),
            "expand far beyond",
        ),
        (
            "a flood of references",
            legacy(&[&b"Nq\0"[..], &b"h\0".repeat(2 * MANY)].concat(), false),
            "expand far beyond",
        ),
        ("a flood of classes", flood(b"ca\nb\n"), "expand far beyond"),
        (
            "a flood of objects",
            legacy(&[&b"ca\nb\nq\0"[..], &b"h\0)\x81".repeat(MANY)].concat(), false),
            "expand far beyond",
        ),
        (
            "a flood of storages",
            legacy(&[&b"Nq\0"[..], &b"h\0Q".repeat(MANY)].concat(), false),
            "expand far beyond",
        ),
        ("a dict in itself", legacy(&cyclic_dict, false), "without the tensors"),
        ("a list in itself", legacy(&cyclic_list, false), "levels of nesting"),
        ("a tuple in itself", legacy(&cyclic_tuple, false), "levels of nesting"),
        ("a frame that is not there", legacy(b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f}", false), "a frame of"),
        ("a string of length -1", legacy(b"T\xff\xff\xff\xff", false), "a length of -1"),
        ("a long of length -1", legacy(b"\x8b\xff\xff\xff\xff", false), "a length of -1"),
        (
            "a string longer than the file",
            legacy(b"\x8d\0\0\0\0\0\0\0\x10", false),
            "asks for 1152921504606846976 bytes",
        ),
        ("an extension code", legacy(b"\x82\x01", false), "extension code"),
        ("an out-of-band buffer", legacy(b"\x97", false), "out-of-band"),
        ("a protocol of the future", legacy(b"\x80\x06}", false), "pickle protocol 6"),
        ("no opcode", legacy(b"\xff", false), "0xff"),
        ("no such memo entry", legacy(b"h\x07", false), "memo index 7"),
        ("an empty stack", legacy(b"0", false), "an empty stack"),
        ("APPENDS without MARK", legacy(b"]e", false), "no MARK"),
        ("APPEND to a tuple", legacy(b")Na", false), "a tuple of 0"),
        ("a call of a number", legacy(b"K\x01)R", false), "the integer 1"),
        ("a call without a tuple", legacy(b"cos\nsystem\nNR", false), "None"),
        ("a call", legacy(b"cos\nsystem\nX\x02\0\0\0id\x85R", false), "an object of os.system"),
        (
            "a negative size",
            legacy(&state_dict(b"K\0", b"J\xff\xff\xff\xff\x85", b"K\x01\x85"), true),
            "a tuple of 1",
        ),
        (
            "a negative offset",
            legacy(&state_dict(b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"), true),
            "the integer -1",
        ),
        (
            "a tensor past its storage",
            legacy(&state_dict(b"K\x01", b"K\x04\x85", b"K\x01\x85"), true),
            "sizes [4]",
        ),
        (
            "strides that overflow",
            legacy(
                &state_dict(
                    b"K\0",
                    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85",
                    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85",
                ),
                true,
            ),
            "strides [9223372036854775807]",
        ),
        (
            "sizes that overflow",
            legacy(&state_dict(b"K\0", b"\x8a\x08\0\0\0\0\0\0\0\x40K\x08\x86", b"K\0K\0\x86"), true),
            "sizes [4611686018427387904, 8]",
        ),
        (
            "an expanded tensor",
            legacy(&state_dict(b"K\0", b"J\x01\0\x01\0\x85", b"K\0\x85"), true),
            "sizes [65537]",
        ),
        (
            "sizes without strides",
            legacy(&state_dict(b"K\0", b"K\x04\x85", b")"), true),
            "1 sizes and 0 strides",
        ),
        (
            "100 dimensions",
            legacy(&state_dict(b"K\0", &[&b"("[..], &b"K\x01".repeat(100), b"t"].concat(), b")"), true),
            "a tuple of 100",
        ),
        ("no storage", legacy(&state_dict(b"K\0", b"K\x04\x85", b"K\x01\x85"), false), "0 bytes"),
        ("expanded scales", legacy(&scales, true), "expand far beyond"),
        ("a gzip bomb", gzip(&vec![0; 80 << 20]), "of gzip"),
        ("a pickle bomb in gzip", gzip(&flood(b"]")), "expand far beyond"),
        ("a large pickle bomb in gzip", gzip(&legacy(&vec![b']'; 45 << 20], false)), "expand far beyond"),
        ("many entries and a flood", entries_and_flood, "expand far beyond"),
        ("a long key, often", legacy(&long_state_key, true), "expand far beyond"),
        ("a long name of hooks, often", legacy(&long_hooks, false), "expand far beyond"),
        ("a long class, often", legacy(&long_class, false), "expand far beyond"),
        ("a large state, often", legacy(&shared_state, false), "expand far beyond"),
        ("overlapping entries", overlapping, "entries that overlap"),
        ("too many entries", many_entries, "more than 65536 entries"),
        ("no bytes", Vec::new(), "no bytes"),
    ];
    let mut trial = Trial::default();
    for (name, bytes, expected) in table {
        println!("{name}");
        match trial.read(&|| name.to_owned(), bytes.into()) {
            Some(Err(error)) if error.to_string().contains(expected) => println!("    {error}"),
            other => trial.wrong.push(format!("{name}: {other:?}, expected {expected:?}")),
        }
    }
    let mut accepted = vec![
        ("a module in itself", legacy(&cyclic_module, false)),
        ("a tensor", legacy(&state_dict(b"K\0", b"K\x04\x85", b"K\x01\x85"), true)),
        ("an expanded tensor", legacy(&state_dict(b"K\x03", b"J\0\0\x01\0\x85", b"K\0\x85"), true)),
        ("no elements", legacy(&state_dict(b"K\0", b"K\0\x85", b"K\x01\x85"), true)),
    ];
    accepted.push(("a tensor in gzip", gzip(&accepted[1].1)));
    for (name, bytes) in accepted {
        match trial.read(&|| name.to_owned(), bytes.into()) {
            Some(Ok(())) => {}
            other => trial.wrong.push(format!("{name}: {other:?}, expected a model")),
        }
    }
    trial.finish();
}

#[test]
fn storages_are_shared_with_the_file() {
    let _alone = alone();
    const ELEMENTS: u32 = 25 << 20;
    let sizes = [&b"J"[..], &ELEMENTS.to_le_bytes(), b"\x85"].concat();
    let storage =
        [&b"(X\x07\0\0\0storagectorch\nCharStorage\nX\x01\0\0\x000X\x03\0\0\0cpu"[..], &sizes[..5], b"tQ"];
    let call = [
        &b"ctorch._utils\n_rebuild_tensor_v2\n("[..],
        &storage.concat(),
        b"K\0",
        &sizes,
        b"K\x01\x85\x89}tR",
    ];
    let pickle = [&b"\x80\x02}X\x01\0\0\0w"[..], &call.concat(), b"s."].concat();
    let weights = vec![7; ELEMENTS as usize];
    let file: Bytes =
        stored([("x/data.pkl".to_owned(), &pickle[..]), ("x/data/0".to_owned(), &weights)]).into();
    // Beyond this limit an allocation aborts the test.
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + (1 << 20)).unwrap();
    let start = processor_time();
    let model = read(file);
    let time = processor_time() - start;
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    println!("25 MiB in {time:?}");
    let model = model.unwrap();
    assert_eq!(model.modules[""].tensor("w").unwrap().to_i8().unwrap(), vec![7i8; ELEMENTS as usize]);
}
