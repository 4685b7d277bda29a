//! Images that nobody took: codes to run a network on where no input is given, always the same.

use gen_params_core::error::Reason;
use gen_params_core::machine::Machine;
use gen_params_core::machine::RunError;
use gen_params_core::ops::Value;
use gen_params_core::tensor::Tensor;

/// Elements of one image, at most.
const LARGEST_IMAGE: usize = 1 << 26;

/// `count` images: one of the smallest code, one of the largest, then codes of a fixed pseudo-random sequence. `images` has
/// the shape of each input, (C, spatial...); an image is one value (1, C, spatial...) per input.
///
/// # Errors
/// Another number of shapes than the network has inputs; an input without a known type, or with too many elements.
pub fn arbitrary_images(
    machine: &Machine<'_>,
    images: &[Vec<usize>],
    count: usize,
) -> Result<Vec<Vec<Value>>, RunError> {
    let inputs = machine.network().inputs.len();
    if images.len() != inputs {
        let text = format!("{} sizes of images, expected one for each of {inputs} inputs", images.len());
        return Err(RunError { reasons: vec![Reason { place: String::new(), text }] });
    }
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut image = |number: usize| {
        let inputs = machine.network().inputs.iter().zip(images);
        let values = inputs.map(|(&id, shape)| {
            let refuse = |text: String| {
                let place = machine.network().edge(id).name.clone();
                RunError { reasons: vec![Reason { place, text }] }
            };
            let activation = machine
                .input_activation(id)
                .ok_or_else(|| refuse("its scale and zero point are not known".into()))?;
            let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
            let elements = elements.filter(|&elements| elements <= LARGEST_IMAGE).ok_or_else(|| {
                refuse(format!("an image {shape:?}, expected {LARGEST_IMAGE} elements at most"))
            })?;
            let (min, max) = activation.code_type.range();
            let mut next = || match number {
                0 => min,
                1 => max,
                _ => {
                    // xorshift64; its upper bits, as many as a code has.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    i32::try_from(state >> (u64::BITS - activation.code_type.bits()))
                        .map_or(max, |bits| min + bits)
                }
            };
            let codes = (0..elements).map(|_| next()).collect();
            let sizes: Vec<usize> = [1].into_iter().chain(shape.iter().copied()).collect();
            let tensor = Tensor::new(sizes, codes).map_err(|error| refuse(error.to_string()))?;
            Ok(Value::Codes(tensor))
        });
        values.collect()
    };
    (0..count).map(&mut image).collect()
}
