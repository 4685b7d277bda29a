//! The C functions that a network takes, in the order in which they need each other.

use std::collections::BTreeSet;

use gen_params_core::hardware::{OnOverflow, Rounding, Target};

use super::range::Registers;

/// A part of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kernel {
    Codes,
    Round,
    Axis,
    SourceZeros,
    SourceReflect,
    SourceReplicate,
    SourceCircular,
    SourceTransposed,
    Layer,
    Pair,
    Sum,
    Product,
    MatrixProduct,
    Rescale,
    CopyRows,
    Mean,
    MaxPool,
    ChannelScale,
    Table,
    Clamp,
    Selection,
}

impl Kernel {
    /// What it needs beside itself.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Codes | Self::Round | Self::Axis | Self::CopyRows | Self::Table | Self::Selection => &[],
            Self::SourceZeros
            | Self::SourceReflect
            | Self::SourceReplicate
            | Self::SourceCircular
            | Self::SourceTransposed => &[Self::Axis],
            Self::Layer => &[Self::Codes, Self::Round, Self::Axis],
            Self::Sum | Self::Product => &[Self::Codes, Self::Round, Self::Pair],
            Self::Pair => &[],
            Self::MatrixProduct | Self::Rescale | Self::Mean | Self::ChannelScale => {
                &[Self::Codes, Self::Round]
            }
            Self::MaxPool => &[Self::Codes, Self::SourceZeros, Self::Axis],
            Self::Clamp => &[Self::Codes],
        }
    }

    fn text(self, rounding: Rounding) -> &'static str {
        match self {
            Self::Codes => include_str!("../../../c/codes.c"),
            Self::Round => match rounding {
                Rounding::HalfUp => include_str!("../../../c/round_half_up.c"),
                Rounding::HalfEven => include_str!("../../../c/round_half_even.c"),
                Rounding::HalfAway => include_str!("../../../c/round_half_away.c"),
                Rounding::Floor => include_str!("../../../c/round_floor.c"),
                Rounding::TowardZero => include_str!("../../../c/round_toward_zero.c"),
                Rounding::Double => include_str!("../../../c/round_double.c"),
            },
            Self::Axis => include_str!("../../../c/axis.c"),
            Self::SourceZeros => include_str!("../../../c/source_zeros.c"),
            Self::SourceReflect => include_str!("../../../c/source_reflect.c"),
            Self::SourceReplicate => include_str!("../../../c/source_replicate.c"),
            Self::SourceCircular => include_str!("../../../c/source_circular.c"),
            Self::SourceTransposed => include_str!("../../../c/source_transposed.c"),
            Self::Layer => include_str!("../../../c/layer.c"),
            Self::Pair => include_str!("../../../c/pair.c"),
            Self::Sum => include_str!("../../../c/sum.c"),
            Self::Product => include_str!("../../../c/product.c"),
            Self::MatrixProduct => include_str!("../../../c/matrix_product.c"),
            Self::Rescale => include_str!("../../../c/rescale.c"),
            Self::CopyRows => include_str!("../../../c/copy_rows.c"),
            Self::Mean => include_str!("../../../c/mean.c"),
            Self::MaxPool => include_str!("../../../c/max_pool.c"),
            Self::ChannelScale => include_str!("../../../c/channel_scale.c"),
            Self::Table => include_str!("../../../c/table.c"),
            Self::Clamp => include_str!("../../../c/clamp.c"),
            Self::Selection => include_str!("../../../c/selection.c"),
        }
    }
}

/// Those that a network takes.
#[derive(Debug, Default)]
pub(super) struct Kernels(BTreeSet<Kernel>);

impl Kernels {
    /// Adds one, with what it needs.
    pub(super) fn add(&mut self, kernel: Kernel) {
        if self.0.insert(kernel) {
            for &needed in kernel.needs() {
                self.add(needed);
            }
        }
    }

    pub(super) fn contains(&self, kernel: Kernel) -> bool {
        self.0.contains(&kernel)
    }

    /// Their text. `patch` is the number of codes that the largest window gathers.
    pub(super) fn text(&self, target: Target, registers: &Registers, patch: usize) -> String {
        let mut text = String::new();
        for &kernel in &self.0 {
            if kernel == Kernel::Round
                && matches!(
                    target.rounding,
                    Rounding::HalfUp | Rounding::HalfEven | Rounding::Floor | Rounding::Double
                )
            {
                text.push_str(include_str!("../../../c/floor.c"));
                text.push('\n');
            }
            if kernel == Kernel::Layer {
                text.push_str(&layer_types(target, registers, patch));
            }
            text.push_str(kernel.text(target.rounding));
            text.push('\n');
        }
        text
    }
}

/// The types and registers of layers.
fn layer_types(target: Target, registers: &Registers, patch: usize) -> String {
    let integer = |wide: bool| if wide { "int64_t" } else { "int32_t" };
    let mut text = String::new();
    let overflows =
        registers.accumulator_overflows || registers.biased_overflows || registers.product_overflows;
    if overflows {
        text.push_str(match target.on_overflow {
            OnOverflow::Wrap => include_str!("../../../c/hold_wrap.c"),
            OnOverflow::Saturate => include_str!("../../../c/hold_saturate.c"),
        });
        text.push('\n');
    }
    let wide = registers.wide_accumulator || registers.accumulator_overflows;
    text.push_str(
        "/* Registers of layers; those that hold every value that can reach them need nothing. */\n",
    );
    for (name, overflows, bits) in [
        ("ACCUMULATOR", registers.accumulator_overflows, target.accumulator().bits),
        ("BIASED", registers.biased_overflows, target.biased().bits),
        ("PRODUCT", registers.product_overflows, target.product().bits),
    ] {
        let held = if overflows { format!("hold((value), {bits})") } else { "(value)".to_owned() };
        text.push_str(&format!("#define {name}(value) {held}\n"));
    }
    text.push_str(&format!(
        "#define BIAS_UNIT {} /* 2^F, F the fractional bits of the bias */\n\ntypedef {} accumulator_type;\ntypedef {} \
         folded_bias_type;\n\n/* The codes that the taps of one output position meet. */\nstatic int16_t patch[{}];\n\n",
        1_u64 << target.bias_fraction_bits.min(62),
        integer(wide),
        integer(registers.wide_bias),
        patch.max(1)
    ));
    text
}
