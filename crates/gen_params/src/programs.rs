//! Whole networks as programs, and what they are tested with.

use std::path::Path;

use gen_params_core::hardware::Stage;
use gen_params_core::machine::Machine;
use gen_params_core::ops::Value;
use gen_params_emit::programs::c::{self, KnownAnswer, Program};
use gen_params_emit::programs::{cmsis_nn, systemverilog};
use gen_params_emit::{Existing, Manifest, arbitrary_images};

use crate::error::{At, Result};
use crate::input::Input;
use crate::run::batches;
use crate::{Derived, golden};

/// What a program is tested with; its sizes are those of the program.
#[derive(Debug, Clone, Copy)]
pub enum TestImages<'a> {
    /// Images of arbitrary codes: the sizes of one, (C, spatial...), for each input of the network, and how many there are.
    Arbitrary(&'a [Vec<usize>], usize),
    /// These.
    Input(&'a Input),
}

impl TestImages<'_> {
    /// The sizes of one image for each input of the network.
    fn sizes(&self) -> Vec<Vec<usize>> {
        match self {
            Self::Arbitrary(sizes, _) => sizes.to_vec(),
            Self::Input(input) => vec![input.shape.get(1..).unwrap_or_default().to_vec()],
        }
    }

    /// The images, each one value per input of the network.
    fn values(&self, machine: &Machine<'_>) -> Result<Vec<Vec<Value>>> {
        match self {
            Self::Arbitrary(sizes, count) => Ok(arbitrary_images(machine, sizes, *count)?),
            Self::Input(input) => {
                Ok(batches(machine, input, 1)?.into_iter().map(|(_, value)| vec![value]).collect())
            }
        }
    }
}

/// A C program with known answers for the images.
pub(crate) fn write_c(
    derived: &Derived,
    directory: &Path,
    name: &str,
    images: TestImages<'_>,
    existing: Existing,
) -> Result<c::Written> {
    let machine = derived.target_machine()?;
    let written = || {
        let known_answers =
            images.values(&machine)?.into_iter().map(|values| KnownAnswer::compute(&machine, values));
        let known_answers = known_answers.collect::<Result<Vec<_>, _>>()?;
        let program =
            Program { machine: &machine, images: &images.sizes(), name, known_answers: &known_answers };
        let source = Some(derived.model().source_file());
        Ok(c::write(directory, &program, derived.parameters(), source, existing)?)
    };
    written().map_err(|error: crate::Error| error.at(derived.model().name()))
}

/// The parameter structs of CMSIS-NN for images of these sizes.
pub(crate) fn write_cmsis_nn(
    derived: &Derived,
    directory: &Path,
    name: &str,
    images: TestImages<'_>,
    existing: Existing,
) -> Result<cmsis_nn::Written> {
    let machine = derived.target_machine()?;
    let design = cmsis_nn::Design {
        machine: &machine,
        parameters: derived.parameters(),
        images: &images.sizes(),
        name,
    };
    let source = Some(derived.model().source_file());
    cmsis_nn::write(directory, &design, source, existing).at(|| derived.model().name())
}

/// A SystemVerilog design with testbenches on the images, and golden values of these stages.
pub(crate) fn write_systemverilog(
    derived: &Derived,
    directory: &Path,
    images: TestImages<'_>,
    stages: &[Stage],
    options: systemverilog::Options,
    existing: Existing,
) -> Result<Manifest> {
    let machine = derived.target_machine()?;
    let images = images.values(&machine).at(|| derived.model().name())?;
    let golden = golden::compute_images(&machine, images, stages)?;
    // What a layer reads is what the node before it has written.
    let golden = golden.into_iter().map(|point| point.tensor).filter(|tensor| tensor.stage != Stage::Input);
    let design = systemverilog::Design {
        machine: &machine,
        parameters: derived.parameters(),
        golden: &golden.collect::<Vec<_>>(),
        memory: &derived.target().golden_files(),
        options,
    };
    let source = Some(derived.model().source_file());
    systemverilog::write(directory, &design, source, existing).at(|| derived.model().name())
}
