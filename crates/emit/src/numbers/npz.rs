//! Uncompressed `.npz` archives, as `numpy.load` reads them, the same bytes every time.

use std::io::{self, Seek, Write};

use gen_params_core::parameters::Parameters;

use crate::numbers::Integers;
use npyz::{AutoSerialize, WriteOptions, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::numbers::{file_bytes, narrow};

/// Elements that are copied between two calls of `write_all`.
const BLOCK: usize = 1 << 14;

/// An element type of an array: an integer or a real number that Rust and numpy share.
pub trait Element: AutoSerialize + Copy {
    /// Appends the elements, each in little-endian order, as their `.npy` type says.
    fn append(values: &[Self], bytes: &mut Vec<u8>);
}

macro_rules! elements {
    ($($type:ty)*) => {$(
        impl Element for $type {
            fn append(values: &[Self], bytes: &mut Vec<u8>) {
                const SIZE: usize = size_of::<$type>();
                let start = bytes.len();
                bytes.resize(start + values.len() * SIZE, 0);
                for (place, value) in bytes[start..].chunks_exact_mut(SIZE).zip(values) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    )*};
}
elements! { i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 }

/// An archive that is being written.
///
/// ```
/// use gen_params_emit::numbers::npz::Archive;
/// let mut file = std::io::Cursor::new(Vec::new());
/// let mut archive = Archive::new(&mut file);
/// archive.array("conv1/weight", &[2, 3], &[1_i8, -2, 3, -4, 5, -6])?;
/// archive.array("conv1/input_scale", &[], &[0.5_f64])?;
/// archive.finish()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> Archive<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(out) }
    }

    /// Adds an array under `name`; `values` are in row-major order of `shape`, and a scalar has the shape `[]`.
    ///
    /// # Errors
    ///
    /// A name that is taken, or values that do not fill the shape; otherwise those of writing.
    pub fn array<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        let count = shape.iter().try_fold(1, |product: usize, &size| product.checked_mul(size));
        if count != Some(values.len()) {
            let message = format!("array {name}: {} values for a shape of {shape:?}", values.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // The 64-bit extension from 2 GiB on, half of what needs it: the header of the array counts, too.
        let large = size_of_val(values) >= 1 << 31;
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        self.zip.start_file(npyz::npz::file_name_from_array_name(name), options)?;

        let sizes = shape.iter().map(|&size| size as u64).collect::<Vec<_>>();
        let header = WriteOptions::<T>::new().default_dtype().shape(&sizes);
        header.writer(&mut self.zip).write_header_only()?;
        let mut bytes = Vec::new();
        for block in values.chunks(BLOCK) {
            bytes.clear();
            T::append(block, &mut bytes);
            self.zip.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Writes the directory of the archive.
    pub fn finish(self) -> io::Result<()> {
        self.zip.finish()?.flush()
    }
}

/// Writes `params.npz`: the arrays of every layer, under `NAME/FIELD`; what is unknown is absent.
pub(crate) fn write<W: Write + Seek>(out: W, parameters: &Parameters) -> io::Result<()> {
    let mut archive = Archive::new(out);
    for layer in &parameters.layers {
        let name = |field: &str| format!("{}/{field}", layer.name);
        let weight = &layer.weight;
        if weight.offset > 0 {
            archive.array(&name("weight"), &weight.shape, &file_bytes(weight))?;
        } else {
            archive.array(&name("weight"), &weight.shape, &weight.codes)?;
        }
        archive.array(&name("weight_scale"), &[weight.scale.len()], &weight.scale)?;
        archive.array(&name("weight_zero_point"), &[weight.zero_point.len()], &weight.file_zero_point())?;
        if let Some(sums) = layer.file_weight_sum() {
            archive.array(&name("weight_sum"), &[layer.channels], &sums)?;
        }
        for (field, values) in [("bias", &layer.bias), ("folded_bias", &layer.folded_bias)] {
            if let Some(values) = values {
                match narrow(values) {
                    Some(values) => archive.array(&name(field), &[layer.channels], &values)?,
                    None => archive.array(&name(field), &[layer.channels], values)?,
                }
            }
        }
        if let Some(values) = &layer.shift {
            archive.array(&name("shift"), &[layer.channels], values)?;
        }
        if let Some(values) = &layer.multiplier {
            archive.array(&name("multiplier"), &[layer.channels], values)?;
        }
        if let Some(values) = &layer.rounding_constant {
            archive.array(&name("rounding_constant"), &[layer.channels], values)?;
        }
        if let Some(values) = &layer.real_multiplier {
            archive.array(&name("real_multiplier"), &[layer.channels], values)?;
        }
        for (side, activation) in [("input", layer.input), ("output", layer.output)] {
            if let Some(activation) = activation {
                archive.array(&name(&format!("{side}_scale")), &[], &[activation.scale])?;
                archive.array(&name(&format!("{side}_zero_point")), &[], &[activation.zero_point])?;
            }
        }
        for (field, range) in [("input_range", layer.input_range), ("clamp", layer.clamp)] {
            if let Some(range) = range {
                archive.array(&name(field), &[2], &[range.min, range.max])?;
            }
        }
    }
    for product in parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products) {
        let name = |field: &str| format!("{}/{field}", product.name);
        match product.bytes() {
            Some(bytes) => archive.array(&name("weight"), &product.weight_shape, &bytes)?,
            None => archive.array(&name("weight"), &product.weight_shape, &product.weight)?,
        }
        for (field, values) in [("bias", &product.bias), ("folded_bias", &product.folded_bias)] {
            match narrow(values) {
                Some(values) => archive.array(&name(field), &[values.len()], &values)?,
                None => archive.array(&name(field), &[values.len()], values)?,
            }
        }
        archive.array(&name("multiplier"), &[], &[product.multiplier])?;
        archive.array(&name("shift"), &[], &[product.shift])?;
        archive.array(&name("input_zero_point"), &[], &[product.input.zero_point])?;
        archive.array(&name("output_zero_point"), &[], &[product.output.zero_point])?;
    }
    for table in &parameters.tables {
        archive.array(&format!("{}/table", table.name), &[table.codes.len()], &table.codes)?;
    }
    for operator in &parameters.operators {
        let Some(integers) = Integers::of(&operator.arithmetic) else { continue };
        let name = |field: &str| format!("{}/{field}", operator.name);
        // Codes that pass unchanged have neither multiplier nor shift: 1 and 0 say the same.
        let multiplier: Vec<i64> = integers.multiplier.iter().map(|m| m.unwrap_or(1)).collect();
        let shift: Vec<i32> = integers.shift.iter().map(|n| n.unwrap_or(0)).collect();
        if !multiplier.is_empty() {
            archive.array(&name("multiplier"), &[multiplier.len()], &multiplier)?;
            archive.array(&name("shift"), &[shift.len()], &shift)?;
        }
        if let Some(offset) = &integers.offset {
            archive.array(&name("offset"), &[offset.len()], offset)?;
        }
        if let Some(divisor) = integers.divisor.filter(|divisor| !divisor.is_empty()) {
            archive.array(&name("divisor"), &[divisor.len()], &divisor)?;
        }
        let zero_points: Vec<i32> = operator.inputs.iter().map(|input| input.zero_point).collect();
        archive.array(&name("input_zero_point"), &[zero_points.len()], &zero_points)?;
        archive.array(&name("output_zero_point"), &[], &[operator.output.zero_point])?;
        archive.array(&name("clamp"), &[2], &[operator.clamp.min, operator.clamp.max])?;
    }
    archive.finish()
}
