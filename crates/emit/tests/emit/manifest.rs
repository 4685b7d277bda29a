//! `manifest.json`: what it looks like, and that it is read back without a loss.

use gen_params_emit::{Error, Formats, Manifest, SourceFile};

use crate::sample::{conv, linear, network, sample};

fn manifest() -> Manifest {
    let source = SourceFile::new("state_dict", "model.pth", b"abc");
    let formats = "hex,list".parse().unwrap();
    let mut manifest = Manifest::describe(&network(vec![conv(), linear()]), Some(source), &formats);
    manifest.version = "VERSION".to_owned();
    manifest
}

#[test]
fn manifest_text() {
    insta::assert_snapshot!(String::from_utf8(manifest().to_json().unwrap()).unwrap());
}

#[test]
fn the_digest_of_the_source_is_sha_256() {
    // The example of FIPS 180-2, appendix B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(SourceFile::new("state_dict", "x", b"abc").sha256, expected);
}

#[test]
fn reading_it_back_loses_nothing() {
    let mut parameters = sample();
    // Numbers whose shortest decimal form is long, tiny or huge.
    let reals = [f64::MIN_POSITIVE, f64::MAX, f64::from(f32::from_bits(0x3c23_d70b)), 0.1 + 0.2];
    for (layer, real) in parameters.layers.iter_mut().zip(reals) {
        layer.weight.scale[0] = real;
    }
    for formats in [Formats::default(), "list".parse().unwrap()] {
        let manifest = Manifest::describe(&parameters, None, &formats);
        assert_eq!(Manifest::from_json(&manifest.to_json().unwrap()).unwrap(), manifest);
    }
}

#[test]
fn other_files_are_not_read_as_manifests() {
    let change = |from: &str, to: &str| {
        let text = String::from_utf8(manifest().to_json().unwrap()).unwrap();
        assert!(text.contains(from));
        match Manifest::from_json(text.replace(from, to).as_bytes()) {
            Err(Error::Manifest { found }) => found,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(change("\"schema\": 1", "\"schema\": 2"), "schema is 2, expected 1");
    assert_eq!(change("\"gen_params\"", "\"npm\""), "generator is \"npm\", expected \"gen_params\"");
    assert!(change("\"channels\": 3", "\"channels\": -3").contains("invalid value"));
    assert!(matches!(Manifest::from_json(b"{"), Err(Error::Manifest { .. })));
}
