//! From parameters to their manifest.

use std::collections::BTreeMap;

use gen_params_core::parameters::{
    self as core, Activation, FactorParameters, LayerParameters, OperatorParameters, Parameters,
    ProductParameters, RecurrentParameters, TableParameters,
};

use crate::folder::manifest::{
    Agreement, Clamp, Factor, FilesOfKinds, GENERATOR, Input, Layer, LayerFiles, Manifest, MultiplierForm,
    NetworkInput, Operator, Product, ProductWeight, Quantization, Reach, Recurrent, SCHEMA, Source,
    SourceFile, State, Table, Weight,
};
use crate::folder::target_file::TargetFile;
use crate::memory::Kind;
use crate::memory::layer_file;
use crate::names::table_file;
use crate::numbers::Integers;
use crate::{Format, Formats};

impl Manifest {
    /// The manifest of `parameters`, written as `formats`; its list of files is still empty.
    pub fn describe(parameters: &Parameters, source: Option<SourceFile>, formats: &Formats) -> Self {
        Self {
            schema: SCHEMA,
            generator: GENERATOR.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            source: source.map_or_else(Source::default, Source::from),
            wiring: parameters.wiring.name().to_owned(),
            engine: parameters.engine.map(str::to_owned),
            multiplier_form: match parameters.form {
                core::MultiplierForm::Shift(n) => MultiplierForm::Shift { n },
                core::MultiplierForm::Bits(bits) => MultiplierForm::Bits { bits },
                core::MultiplierForm::LayerBits(bits) => MultiplierForm::LayerBits { bits },
                core::MultiplierForm::NetworkBits(bits) => MultiplierForm::NetworkBits { bits },
            },
            inputs: parameters
                .inputs
                .iter()
                .map(|(name, activation)| NetworkInput {
                    name: name.clone(),
                    quantization: activation.as_ref().map(quantization),
                })
                .collect(),
            layers: parameters.layers.iter().map(|layer| describe_layer(layer, formats)).collect(),
            recurrent: parameters.recurrent.iter().map(|this| describe_recurrent(this, formats)).collect(),
            tables: parameters.tables.iter().map(|table| describe_table(table, formats)).collect(),
            rounding: parameters.rounding.name().to_owned(),
            operators: parameters.operators.iter().filter_map(describe_operator).collect(),
            warnings: parameters.warnings.clone(),
            target: TargetFile::default().to_json(),
            layouts: BTreeMap::new(),
            files: Vec::new(),
        }
    }
}

fn describe_recurrent(recurrent: &RecurrentParameters, formats: &Formats) -> Recurrent {
    let states = recurrent.states.iter();
    let product = |product: &ProductParameters| Product {
        name: product.name.clone(),
        input: quantization(&product.input),
        weight: ProductWeight {
            shape: product.weight_shape,
            dtype: format!("int{}", product.weight_bits),
            scale: product.weight_scale,
            file: formats.contains(Format::Hex).then(|| layer_file(&product.name, Kind::Weight, "hex")),
        },
        rank: product.rank,
        bias: product.bias.clone(),
        folded_bias: product.folded_bias.clone(),
        real_multiplier: product.real_multiplier,
        multiplier: product.multiplier,
        shift: product.shift,
        output: quantization(&product.output),
    };
    let factor = |factor: &FactorParameters| Factor {
        name: factor.name.to_owned(),
        multiplier: factor.multiplier,
        shift: factor.shift,
    };
    Recurrent {
        name: recurrent.name.clone(),
        op: recurrent.op.to_owned(),
        states: states
            .map(|(name, state)| State { name: name.clone(), quantization: quantization(state) })
            .collect(),
        products: recurrent.products.iter().map(product).collect(),
        factors: recurrent.factors.iter().map(factor).collect(),
        cell_clip: recurrent.cell_clip,
    }
}

fn describe_table(table: &TableParameters, formats: &Formats) -> Table {
    Table {
        name: table.name.clone(),
        op: table.function.to_owned(),
        contract: table.contract.to_owned(),
        input: quantization(&table.input),
        output: quantization(&table.output),
        codes: table.codes.clone(),
        file: formats.contains(Format::Hex).then(|| table_file(&table.name, "hex")),
    }
}

/// The record of an operator; `None` for those without integers of their own, and for tables, which have their own records.
fn describe_operator(operator: &OperatorParameters) -> Option<Operator> {
    let integers = Integers::of(&operator.arithmetic)?;
    Some(Operator {
        name: operator.name.clone(),
        op: operator.op.to_owned(),
        inputs: operator.inputs.iter().map(quantization).collect(),
        output: quantization(&operator.output),
        clamp: Clamp { min: operator.clamp.min, max: operator.clamp.max },
        multiplier: integers.multiplier,
        shift: integers.shift,
        offset: integers.offset,
        divisor: integers.divisor,
        against_exact: operator
            .agreement
            .map(|agreement| Agreement { cases: agreement.cases, differing: agreement.differing }),
    })
}

fn describe_layer(layer: &LayerParameters, formats: &Formats) -> Layer {
    let window = layer.window.clone().unwrap_or_default();
    let files = LayerFiles {
        hex: formats.contains(Format::Hex).then(|| files_of_kinds(layer, "hex")),
        list: formats.contains(Format::List).then(|| files_of_kinds(layer, "txt")),
    };
    Layer {
        name: layer.name.clone(),
        op: layer.kind.name().to_owned(),
        channels: layer.channels,
        relu: layer.relu,
        input: layer.input.map(|input| Input {
            scale: input.scale,
            zero_point: input.zero_point,
            dtype: input.code_type.name().to_owned(),
            min: layer.input_range.map(|range| range.min),
            max: layer.input_range.map(|range| range.max),
        }),
        weight: Weight {
            shape: layer.weight.shape.clone(),
            dtype: layer.weight.type_name(),
            scale: layer.weight.scale.clone(),
            zero_point: layer.weight.file_zero_point(),
            axes: layer.kind.axes().to_owned(),
            file: files.hex.as_ref().map(|files| files.weight.clone()),
        },
        bias: layer.bias.clone(),
        weight_sum: layer.file_weight_sum(),
        folded_bias: layer.folded_bias.clone(),
        real_multiplier: layer.real_multiplier.clone(),
        multiplier: layer.multiplier.clone(),
        shift: layer.shift.clone(),
        rounding_constant: layer.rounding_constant.clone(),
        output: layer.output.as_ref().map(quantization),
        clamp: layer.clamp.map(|clamp| Clamp { min: clamp.min, max: clamp.max }),
        padding_value: layer.padding_value,
        accumulator: layer.accumulator.map(reach),
        biased: layer.biased.map(reach),
        stride: window.stride,
        padding: window.padding,
        padding_end: window.padding_end,
        dilation: window.dilation,
        output_padding: window.output_padding,
        groups: window.groups,
        files,
    }
}

fn files_of_kinds(layer: &LayerParameters, extension: &str) -> FilesOfKinds {
    let file = |kind| layer_file(&layer.name, kind, extension);
    FilesOfKinds {
        weight: file(Kind::Weight),
        bias: layer.bias.is_some().then(|| file(Kind::Bias)),
        weight_sum: file(Kind::WeightSum),
        folded_bias: layer.folded_bias.is_some().then(|| file(Kind::FoldedBias)),
        multiplier: layer.multiplier.is_some().then(|| file(Kind::Multiplier)),
        shift: layer.shift.is_some().then(|| file(Kind::Shift)),
        rounding_constant: layer.rounding_constant.is_some().then(|| file(Kind::RoundingConstant)),
    }
}

fn quantization(activation: &Activation) -> Quantization {
    Quantization {
        scale: activation.scale,
        zero_point: activation.zero_point,
        dtype: activation.code_type.name().to_owned(),
    }
}

fn reach(reach: core::Reach) -> Reach {
    Reach { min: reach.min, max: reach.max, bits: reach.bits }
}
