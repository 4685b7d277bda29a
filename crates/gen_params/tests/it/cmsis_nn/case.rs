//! One published case: its numbers by name, and operators run on them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gen_params::contract::Contract;
use gen_params::ops::{Bias, Context, Fusion, Layer, Op, PaddingMode, Value};
use gen_params::parameters::{Activation, CodeType, LayerKind, Range, Weight, Window};
use gen_params::tensor::{Codes, Tensor};
use gen_params_test_support::npz::NpzArchive;
use serde_json::{Map, Value as Json};

/// Integers and arrays of a case.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    config: Map<String, Json>,
    arrays: BTreeMap<String, Array>,
}

/// An array of integers of any width.
#[derive(Clone)]
struct Array {
    values: Vec<i64>,
    /// Elements of 16 bits.
    wide: bool,
}

/// Sizes of a tensor as TFLite keeps it.
pub(super) type Nhwc = [usize; 4];

impl Case {
    pub(super) fn open(folder: &Path, name: &str, facts: &Json) -> Self {
        let mut archive = NpzArchive::open(folder.join(format!("{name}.npz"))).unwrap();
        let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
        let arrays = names.into_iter().map(|name| {
            let file = archive.by_name(&name).unwrap().unwrap();
            let descr = file.dtype().descr();
            let values = match descr.trim_matches('\'').trim_start_matches(['|', '<', '=']) {
                "i1" => widen(file.into_vec::<i8>().unwrap()),
                "i2" => widen(file.into_vec::<i16>().unwrap()),
                "i4" => widen(file.into_vec::<i32>().unwrap()),
                "i8" => file.into_vec::<i64>().unwrap(),
                other => panic!("{name} is {other}"),
            };
            (name, Array { values, wide: descr.contains("i2") })
        });
        let arrays = arrays.collect();
        Self { name: name.into(), config: facts["config"].as_object().unwrap().clone(), arrays }
    }

    /// One layer of a case of several: the integers whose names begin with `prefix`, and some arrays under other names.
    pub(super) fn part(&self, prefix: &str, arrays: &[(&str, Vec<i64>)]) -> Self {
        let config = self
            .config
            .iter()
            .filter_map(|(key, value)| key.strip_prefix(prefix).map(|rest| (rest.to_owned(), value.clone())));
        let arrays = arrays
            .iter()
            .map(|(name, values)| ((*name).to_owned(), Array { values: values.clone(), wide: false }));
        Self { name: prefix.into(), config: config.collect(), arrays: arrays.collect() }
    }

    /// Names of the integers.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.config.keys().map(String::as_str)
    }

    pub(super) fn known(&self, key: &str) -> Option<i64> {
        self.config.get(key)?.as_i64()
    }

    pub(super) fn integer(&self, key: &str) -> Result<i64, String> {
        self.known(key).ok_or_else(|| format!("{key} is not published"))
    }

    /// A truth, written as a word.
    pub(super) fn truth(&self, key: &str) -> bool {
        self.config.get(key).and_then(Json::as_str) == Some("true")
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, String> {
        usize::try_from(self.integer(key)?).map_err(|error| error.to_string())
    }

    pub(super) fn small(&self, key: &str) -> Result<i32, String> {
        i32::try_from(self.integer(key)?).map_err(|error| error.to_string())
    }

    /// Gives an integer another value.
    pub(super) fn set(&mut self, key: &str, value: i64) {
        self.config.insert(key.into(), value.into());
    }

    /// Gives an integer a second name.
    pub(super) fn copy(&mut self, from: &str, to: &str) -> Result<(), String> {
        let value = self.integer(from)?;
        self.config.insert(to.into(), value.into());
        Ok(())
    }

    /// Gives an array other elements.
    pub(super) fn set_array(&mut self, name: &str, values: Vec<i64>) {
        self.arrays.insert(name.into(), Array { values, wide: false });
    }

    /// Arrays of these names are no longer there.
    pub(super) fn forget(&mut self, names: &[&str]) {
        self.arrays.retain(|name, _| !names.contains(&name.as_str()));
    }

    /// Whether the elements of an array have 16 bits.
    pub(super) fn is_wide(&self, name: &str) -> bool {
        self.arrays.get(name).is_some_and(|array| array.wide)
    }

    pub(super) fn array(&self, name: &str) -> Option<Vec<i64>> {
        self.arrays.get(name).map(|array| array.values.clone())
    }

    /// The first of some arrays that has this many elements: newer generations of a case lie beside older ones.
    pub(super) fn of_length(&self, names: &[&str], length: usize) -> Result<Vec<i64>, String> {
        let found = names.iter().filter_map(|name| self.array(name)).find(|values| values.len() == length);
        found.ok_or_else(|| format!("no array {} of {length} elements", names.join(" or ")))
    }
}

fn widen<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
    values.into_iter().map(Into::into).collect()
}

/// The real factor of a published multiplier and shift, exactly.
pub(super) fn factor(multiplier: i64, shift: i64) -> f64 {
    let power = i32::try_from(shift - 31).unwrap();
    i32::try_from(multiplier).map(f64::from).unwrap() * 2f64.powi(power)
}

/// Codes of int8 or int16 activations.
pub(super) fn activation(scale: f64, zero_point: i32, wide: bool) -> Activation {
    Activation { scale, zero_point, code_type: if wide { CodeType::I16 } else { CodeType::I8 } }
}

/// Integers as codes of a shape.
pub(super) fn codes(shape: &[usize], values: &[i64]) -> Result<Codes, String> {
    let elements = values.iter().map(|&value| i32::try_from(value).unwrap()).collect();
    Tensor::new(shape.to_vec(), elements).map_err(|error| error.to_string())
}

/// (N, H, W, C) to (N, C, H, W).
pub(super) fn to_nchw([n, h, w, c]: Nhwc, values: &[i64]) -> Result<Codes, String> {
    if values.len() != n * h * w * c {
        return Err(format!("{} codes for {:?}", values.len(), [n, h, w, c]));
    }
    let at = |i: usize| {
        let (image, rest) = (i / (c * h * w), i % (c * h * w));
        (image * h * w + rest % (h * w)) * c + rest / (h * w)
    };
    codes(&[n, c, h, w], &(0..values.len()).map(|i| values[at(i)]).collect::<Vec<_>>())
}

/// (N, C, H, W) to the elements of (N, H, W, C).
pub(super) fn to_nhwc(tensor: &Codes) -> Vec<i64> {
    let &[_, c, h, w] = tensor.shape() else { panic!("{:?}", tensor.shape()) };
    let at = |i: usize| {
        let (image, rest) = (i / (c * h * w), i % (c * h * w));
        image * c * h * w + rest % c * h * w + rest / c
    };
    (0..tensor.elements().len()).map(|i| i64::from(tensor.elements()[at(i)])).collect()
}

/// The first result of an operator with LiteRT's reference arithmetic.
pub(super) fn run(op: &Op, inputs: &[(&Codes, Activation)], output: Activation) -> Result<Codes, String> {
    Ok(run_all(op, inputs, output)?.remove(0))
}

/// All results of an operator with LiteRT's reference arithmetic.
pub(super) fn run_all(
    op: &Op,
    inputs: &[(&Codes, Activation)],
    output: Activation,
) -> Result<Vec<Codes>, String> {
    let values: Vec<Value> = inputs.iter().map(|(codes, _)| Value::Codes((*codes).clone())).collect();
    let activations: Vec<_> = inputs.iter().map(|(_, activation)| Some(*activation)).collect();
    let context = Context {
        contract: Contract::Litert,
        inputs: &activations,
        output: Some(output),
        fusion: Fusion::default(),
    };
    let results = op.apply(&values.iter().collect::<Vec<_>>(), &[], &context);
    let results = results.map_err(|error| error.to_string())?;
    results.iter().map(|result| result.codes().cloned().ok_or_else(|| "no codes".to_owned())).collect()
}

/// Codes limited to a range, as a fused activation does it.
pub(super) fn limit(values: Vec<i64>, min: i64, max: i64) -> Vec<i64> {
    values.into_iter().map(|value| value.clamp(min, max)).collect()
}

/// A layer with published multipliers: S1 = S3 = 1 and S2 = M, so that S1*S2/S3 is the published number.
pub(super) struct PublishedLayer {
    pub(super) kind: LayerKind,
    /// OIHW, IOHW or OI.
    pub(super) shape: Vec<usize>,
    pub(super) weights: Vec<i64>,
    pub(super) weight_zero_point: i32,
    pub(super) bits: u32,
    pub(super) multipliers: Vec<f64>,
    pub(super) bias: Option<Bias>,
    pub(super) window: Option<Window>,
    pub(super) input_zero_point: i32,
    pub(super) output_zero_point: i32,
    pub(super) clamp: Range<i32>,
    pub(super) wide: bool,
}

impl PublishedLayer {
    pub(super) fn run(self, input: &Codes) -> Result<Codes, String> {
        let weights: Vec<i8> = self.weights.iter().map(|&w| i8::try_from(w).unwrap()).collect();
        let zero_point = vec![self.weight_zero_point; self.multipliers.len()];
        let weight = Weight::of_bytes(self.shape, Arc::from(weights), self.multipliers, zero_point);
        let layer = Layer {
            kind: self.kind,
            weight: Weight { bits: self.bits, ..weight },
            bias: self.bias,
            relu: Some(false),
            clamp: Some(self.clamp),
            window: self.window,
            padding_mode: PaddingMode::Zeros,
        };
        let from = activation(1.0, self.input_zero_point, self.wide);
        let to = activation(1.0, self.output_zero_point, self.wide);
        run(&Op::Layer(layer), &[(input, from)], to)
    }
}

/// Two's complement codes of 4 bits, low half first.
pub(super) fn unpack_4_bits(bytes: &[i64], count: usize) -> Vec<i64> {
    let halves = bytes.iter().flat_map(|&byte| [(byte << 60) >> 60, byte >> 4]);
    halves.take(count).collect()
}
