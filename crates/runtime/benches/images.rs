//! Images a second through a model file, on all cores, for every kernel of this machine.
//!
//! `cargo bench -p gen_params_runtime --bench images -- MODEL CxHxW [IMAGES]`. Prints the time of planning, too.
#![allow(clippy::print_stdout, reason = "a table for people")]

use std::time::Instant;

use gen_params_core::contract::Contract;
use gen_params_core::ops::Value;
use gen_params_core::tensor::Tensor;
use gen_params_kernels::Kernel;
use gen_params_lower as lower;
use gen_params_runtime::Engine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let [model, shape, rest @ ..] = arguments.as_slice() else {
        println!("not measured: no MODEL and CxHxW were given");
        return Ok(());
    };
    let image: Vec<usize> = shape.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let count: usize = rest.first().map_or(Ok(10_000), |text| text.parse())?;

    let source = gen_params_formats::read(std::fs::read(model)?.into())?;
    let network = lower::lower(&source, &lower::Options::default())?;
    // A pattern that no layer maps to zeros.
    let reals = (0..count * image.iter().product::<usize>())
        .map(|i| f32::from(u16::try_from(i % 509).unwrap_or(0)) / 128.0 - 2.0);
    let shape = [count].into_iter().chain(image.iter().copied()).collect();
    let input = [Value::Floats(Tensor::new(shape, reals.collect())?)];
    for kernel in Kernel::available() {
        let start = Instant::now();
        let engine = Engine::with_kernel(&network, Contract::X86, std::slice::from_ref(&image), kernel)?;
        let planning = start.elapsed().as_secs_f64();
        engine.run(&input)?;
        let best = (0..5)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(engine.run(&input).ok());
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        let rate = f64::from(u32::try_from(count)?) / best;
        println!("{:>14}: {rate:>10.0} images/s, planned in {planning:.3} s", kernel.name());
    }
    Ok(())
}
