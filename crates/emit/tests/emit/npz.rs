//! `params.npz`, read back with the readers of the crates `zip` and `npyz`.

use std::io::{Cursor, Read};

use gen_params_emit::numbers::npz::Archive;
use npyz::{Deserialize, NpyFile};
use zip::ZipArchive;

use crate::sample::sample;
use crate::text::render;

type Zip = ZipArchive<Cursor<Vec<u8>>>;

fn read<T: Deserialize>(zip: &mut Zip, name: &str) -> (String, Vec<u64>, Vec<T>) {
    let mut bytes = Vec::new();
    let mut entry = zip.by_name(&format!("{name}.npy")).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
    entry.read_to_end(&mut bytes).unwrap();
    let file = NpyFile::new(bytes.as_slice()).unwrap();
    let (descr, shape) = (file.dtype().descr(), file.shape().to_vec());
    (descr, shape, file.into_vec().unwrap())
}

#[test]
fn arrays_come_back_with_type_and_shape() {
    let parameters = sample();
    let bytes = render(&parameters, &"npz".parse().unwrap(), "params.npz");
    let mut zip = Zip::new(Cursor::new(bytes)).unwrap();

    for layer in &parameters.layers {
        let name = |field| format!("{}/{field}", layer.name);
        let shape: Vec<u64> = layer.weight.shape.iter().map(|&size| size as u64).collect();
        let channels = vec![layer.channels as u64];
        assert_eq!(read(&mut zip, &name("weight")), ("'|i1'".to_owned(), shape, layer.weight.codes.to_vec()));
        let scales = vec![layer.weight.scale.len() as u64];
        let found = read(&mut zip, &name("weight_scale"));
        assert_eq!(found, ("'<f8'".to_owned(), scales.clone(), layer.weight.scale.clone()));
        let found = read(&mut zip, &name("weight_zero_point"));
        assert_eq!(found, ("'<i4'".to_owned(), scales, layer.weight.zero_point.clone()));
        let found = read(&mut zip, &name("weight_sum"));
        assert_eq!(found, ("'<i4'".to_owned(), channels.clone(), layer.weight_sum.clone()));
        let narrow = |values: &Option<Vec<i64>>| {
            values
                .as_ref()
                .map(|values| values.iter().map(|&v| i32::try_from(v).unwrap()).collect::<Vec<_>>())
        };
        let signed = [
            ("bias", narrow(&layer.bias)),
            ("folded_bias", narrow(&layer.folded_bias)),
            ("shift", layer.shift.clone()),
        ];
        for (field, values) in signed {
            if let Some(values) = values {
                let found = read(&mut zip, &name(field));
                assert_eq!(found, ("'<i4'".to_owned(), channels.clone(), values), "{field}");
            }
        }
        if let Some(values) = &layer.rounding_constant {
            let found = read(&mut zip, &name("rounding_constant"));
            assert_eq!(found, ("'<i8'".to_owned(), channels.clone(), values.clone()));
        }
        if let Some(values) = &layer.multiplier {
            let found = read(&mut zip, &name("multiplier"));
            assert_eq!(found, ("'<u4'".to_owned(), channels.clone(), values.clone()));
        }
        if let Some(values) = &layer.real_multiplier {
            let found = read(&mut zip, &name("real_multiplier"));
            assert_eq!(found, ("'<f8'".to_owned(), channels.clone(), values.clone()));
        }
        if let Some(input) = layer.input {
            let found = read(&mut zip, &name("input_scale"));
            assert_eq!(found, ("'<f8'".to_owned(), vec![], vec![input.scale]));
            let found = read(&mut zip, &name("input_zero_point"));
            assert_eq!(found, ("'<i4'".to_owned(), vec![], vec![input.zero_point]));
        }
        if let Some(clamp) = layer.clamp {
            let found = read(&mut zip, &name("clamp"));
            assert_eq!(found, ("'<i4'".to_owned(), vec![2], vec![clamp.min, clamp.max]));
        }
    }
    // 15 arrays of a layer of which all is known, rounding constants of two; 4 of the one of which only the weights are.
    assert_eq!(zip.len(), 3 * 15 + 2 + 4);
}

#[test]
fn an_array_that_does_not_fill_its_shape_is_refused() {
    let mut archive = Archive::new(Cursor::new(Vec::new()));
    let error = archive.array("a", &[2, 3], &[0_u8; 5]).unwrap_err();
    assert_eq!(error.to_string(), "array a: 5 values for a shape of [2, 3]");
    archive.array("b", &[0], &[0_f32; 0]).unwrap();
    assert!(archive.array("b", &[], &[0_i64]).is_err(), "a name was taken twice");
}
