//! QuantizeLinear, DequantizeLinear, and the quantizers of QONNX.

use super::call::Call;
use super::numbers::{Data, Element, Numbers};
use super::{Lowering, Slot, one};
use crate::qdq::{Constant, Elements, Scheme, Value};
use gen_params_core::error::{LowerError, Result};
use gen_params_core::ops::Fusion;
use gen_params_core::parameters::{Activation, CodeType, Range};

/// The code type of an integer type.
///
/// # Errors
/// Activations do not have it.
pub(super) fn code_type(place: &str, element: Element) -> Result<CodeType> {
    match (element.signed, element.bits) {
        (false, 4 | 8) => Ok(CodeType::U8),
        (true, 4 | 8) => Ok(CodeType::I8),
        (true, 16) => Ok(CodeType::I16),
        (signed, bits) => {
            let sign = if signed { "int" } else { "uint" };
            Err(LowerError::at(place, format!("activations of type {sign}{bits} are not supported")))
        }
    }
}

/// The integer type of codes.
fn element_of(activation: Activation) -> Element {
    let bits = match activation.code_type {
        CodeType::U8 | CodeType::I8 => 8,
        CodeType::I16 => 16,
        CodeType::I32 => 32,
    };
    Element { signed: activation.code_type != CodeType::U8, bits }
}

/// `clamp(rint(x/S) + Z)`.
pub(super) fn quantize_linear(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    // `saturate` is for float8, `precision` for how the quotient is computed: float32 here.
    call.ignore(&["saturate"]);
    if call.int("precision", 0)? > 1 {
        return Err(call.refuse("computes its quotient in another type than float32"));
    }
    let declared = call.int("output_dtype", 0)?;
    let default = if declared == 0 { Some(Element::UINT8) } else { Element::of_number(declared) };
    let scheme = lowering.scheme(call, 0, 1, 2, default)?;
    let value = lowering.value(call, 0)?;
    if matches!(lowering.surroundings.of(call.node), Fusion::Floats(_)) {
        lowering.graph.warn_of_merged(&call.name);
    }
    one(lowering.graph.quantize(&call.name, &value, &scheme)?)
}

/// `(q - Z) * S`.
pub(super) fn dequantize_linear(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["output_dtype"]);
    let input = call.input(0)?;
    let numbers = lowering.numbers(input);
    let declared = lowering.facts(input).and_then(|facts| Element::of_name(&facts.element_type));
    // Without a zero point the type is that of the codes.
    let made = match lowering.slots.get(&input) {
        Some(Slot::Value(value @ Value::Codes(_))) => lowering.graph.activation_of(value)?.map(element_of),
        _ => None,
    };
    let element = numbers.as_ref().map(|n| n.element).or(made).or(declared).or(Some(Element::UINT8));
    let scheme = lowering.scheme(call, 0, 1, 2, element)?;
    let value = match numbers {
        Some(numbers) => Value::Constant(coded(call, &numbers, scheme.clone())?),
        None => lowering.value(call, 0)?,
    };
    one(lowering.graph.dequantize(&call.name, &value, &scheme)?)
}

/// Integers as codes of a scheme.
pub(super) fn coded(call: &Call<'_>, numbers: &Numbers, scheme: Scheme) -> Result<Constant> {
    let Data::Integers(integers) = &numbers.data else {
        return Err(call.refuse("dequantizes numbers that are no integers"));
    };
    let codes = integers.iter().map(|&code| i32::try_from(code)).collect::<Result<_, _>>();
    let codes = codes.map_err(|_| call.refuse("dequantizes integers beyond 32 bits"))?;
    Ok(Constant { shape: numbers.shape.clone(), elements: Elements::Codes(codes, scheme) })
}

impl Lowering<'_> {
    /// S and Z of inputs; `element` is the type of codes whose zero point is not given.
    pub(super) fn scheme(
        &self,
        call: &Call<'_>,
        tensor: usize,
        scale: usize,
        zero_point: usize,
        element: Option<Element>,
    ) -> Result<Scheme> {
        let axis = call.int("axis", 1)?;
        if call.int("block_size", 0)? != 0 {
            return Err(call.refuse("has one scale for each block of elements, which is not supported"));
        }
        let rank =
            call.optional(tensor).and_then(|id| self.numbers(id).map(|n| n.shape.len()).or(self.rank(id)));
        self.scheme_along(call, scale, zero_point, element, counted(axis, rank))
    }

    /// S and Z of inputs, of which there may be one for each index along an axis.
    pub(super) fn scheme_along(
        &self,
        call: &Call<'_>,
        scale: usize,
        zero_point: usize,
        element: Option<Element>,
        axis: Option<usize>,
    ) -> Result<Scheme> {
        let numbers = |position: usize, what: &str| {
            let id = call.input(position)?;
            self.numbers(id)
                .ok_or_else(|| call.refuse(format!("its {what} is not known before the network runs")))
        };
        let scales = numbers(scale, "scale")?;
        let Some(reals) = scales.reals() else { return Err(call.refuse("its scale is not real")) };
        if reals.is_empty() {
            return Err(call.refuse("has no scale"));
        }
        if scales.shape.len() > 1 && reals.len() > 1 {
            return Err(call.refuse(format!("has scales of sizes {:?}, expected one axis", scales.shape)));
        }
        let zeros = match call.optional(zero_point) {
            Some(_) => Some(numbers(zero_point, "zero point")?),
            None => None,
        };
        let element = zeros.as_ref().map(|z| z.element).or(element).filter(|e| *e != Element::REAL);
        let Some(element) = element else { return Err(call.refuse("its codes are no integers")) };
        let zero_points = match &zeros {
            Some(zeros) => match zeros.integers() {
                Some(integers) => integers.to_vec(),
                None => return Err(call.refuse("has a zero point that is no integer")),
            },
            None => vec![0; reals.len()],
        };
        if zero_points.len() != reals.len() {
            return Err(call.refuse(format!(
                "has {} scales and {} zero points",
                reals.len(),
                zero_points.len()
            )));
        }
        if reals.len() > 1 && axis.is_none() {
            return Err(call.refuse("has several scales along an axis that is not known"));
        }
        let scale = reals.iter().map(|&s| f64::from(s)).collect();
        Ok(Scheme::new(scale, zero_points, axis, element.signed, element.bits))
    }
}

/// An axis that may count from the end.
fn counted(axis: i64, rank: Option<usize>) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add(i64::try_from(rank?).ok()?)? } else { axis };
    usize::try_from(axis).ok()
}

/// QONNX `Quant`: quantize and dequantize in one, to any number of bits.
pub(super) fn quant(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let signed = call.int("signed", 1)? != 0;
    let narrow = call.int("narrow", 0)? != 0;
    let rounding = call.text("rounding_mode", "ROUND")?;
    if !rounding.eq_ignore_ascii_case("ROUND") && !rounding.eq_ignore_ascii_case("HALF_EVEN") {
        return Err(call.refuse(format!("its rounding mode is {rounding}, expected ROUND")));
    }
    let value = lowering.value(call, 0)?;
    let shape = match &value {
        Value::Constant(constant) => Some(constant.shape.as_slice()),
        Value::Codes(_) | Value::Real(_) => None,
    };
    let (scale, axis) = lowering.along(call, 1, shape)?;
    let (zero_point, _) = lowering.along(call, 2, shape)?;
    let (bits, _) = lowering.along(call, 3, None)?;
    let [bits] = bits[..] else { return Err(call.refuse("has a bit width for each channel")) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared with what was cast")]
    let width = bits as u32;
    if f64::from(width) != bits || !(1..=32).contains(&width) {
        return Err(call.refuse(format!("has the bit width {bits}, expected 1 to 32")));
    }
    #[allow(clippy::cast_possible_truncation, reason = "compared with what was cast")]
    let whole = |z: f64| Some(z as i64).filter(|&whole| whole as f64 == z);
    let Some(zero_point) = zero_point.into_iter().map(whole).collect::<Option<Vec<i64>>>() else {
        return Err(call.refuse("has a zero point that is no integer"));
    };
    let zero_point = if zero_point.len() == 1 { vec![zero_point[0]; scale.len()] } else { zero_point };
    let scheme = Scheme::new(scale, zero_point, axis, signed, width);
    let Range { min, max } = scheme.range;
    // A narrow range leaves out the smallest code of signed integers, the largest of unsigned ones.
    let range = match (narrow, signed) {
        (false, _) => Range { min, max },
        (true, true) => Range { min: min + 1, max },
        (true, false) => Range { min, max: max - 1 },
    };
    lowering.fake_quantize(call, &value, &scheme.within(range))
}

/// QONNX `BipolarQuant`: S for what is not negative, -S for the rest.
pub(super) fn bipolar_quant(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    let Value::Constant(constant) = lowering.value(call, 0)? else {
        return Err(call.refuse("`BipolarQuant` of activations is not supported"));
    };
    let (scale, axis) = lowering.along(call, 1, Some(&constant.shape))?;
    let zeros = vec![0; scale.len()];
    let scheme = Scheme::new(scale, zeros, axis, true, 2).within(Range { min: -1, max: 1 });
    let codes = constant.reals().iter().map(|&x| if x >= 0.0 { 1 } else { -1 }).collect();
    one(Value::Constant(Constant { shape: constant.shape, elements: Elements::Codes(codes, scheme) }))
}

/// QONNX `Trunc`: drops low bits after an average pooling. Without bits to drop it does nothing.
pub(super) fn trunc(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<Vec<Slot>> {
    call.ignore(&["rounding_mode", "signed", "narrow"]);
    let (from, _) = lowering.along(call, 3, None)?;
    let (to, _) = lowering.along(call, call.count().saturating_sub(1).max(4), None)?;
    if from != to {
        return Err(call.refuse(format!("truncates {from:?} bits to {to:?}, which is not supported")));
    }
    one(lowering.value(call, 0)?)
}

impl Lowering<'_> {
    /// Quantize and dequantize.
    fn fake_quantize(&mut self, call: &Call<'_>, value: &Value, scheme: &Scheme) -> Result<Vec<Slot>> {
        let codes = self.graph.quantize(&call.name, value, scheme)?;
        one(self.graph.dequantize(&call.name, &codes, scheme)?)
    }

    /// Real numbers of an input and the axis that they run along in a tensor of `shape`, to which they are broadcast.
    fn along(
        &self,
        call: &Call<'_>,
        position: usize,
        shape: Option<&[usize]>,
    ) -> Result<(Vec<f64>, Option<usize>)> {
        let id = call.input(position)?;
        let numbers = self.numbers(id);
        // Zero points and widths are integers of any type where a tool took them from a QuantizeLinear.
        let values: Vec<f64> = match numbers.as_ref().map(|numbers| &numbers.data) {
            Some(Data::Reals(reals)) => reals.iter().map(|&x| f64::from(x)).collect(),
            #[allow(clippy::cast_precision_loss, reason = "zero points and widths are small")]
            Some(Data::Integers(integers)) => integers.iter().map(|&n| n as f64).collect(),
            Some(Data::Sizes(_)) | None => {
                return Err(call.refuse(format!("its input {position} is no known number")));
            }
        };
        if values.len() == 1 {
            return Ok((values, None));
        }
        let own = numbers.as_ref().map(|n| n.shape.clone()).unwrap_or_default();
        let behind = shape.map_or(own.len(), <[usize]>::len).checked_sub(own.len());
        let place = own.iter().position(|&size| size == values.len());
        match (place, behind) {
            (Some(place), Some(behind)) => Ok((values, Some(place + behind))),
            _ => Err(call.refuse(format!("has numbers of sizes {own:?}, expected one axis"))),
        }
    }
}
