//! Snapshots of whole screens: the interface that people read.

use crate::support::run;

macro_rules! screen {
    ($name:ident, $($argument:expr),* $(,)?) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(run(&[$($argument),*]).screen());
        }
    };
}

screen!(help, "--help");
screen!(inspect_script, "inspect", "examples/fashion_mnist/lenet_script.pt");
screen!(inspect_state_dict, "inspect", "examples/fashion_mnist/lenet_state_dict.pt", "24");
screen!(inspect_without_wiring, "inspect", "tests/fixtures/layers/branches_fbgemm/converted_state_dict.pt");
screen!(inspect_transposed, "inspect", "tests/fixtures/layers/transposed2d_qnnpack/script.pt");
screen!(graph_of_a_residual_network, "graph", "tests/fixtures/layers/branches_fbgemm/script.pt");
screen!(graph_draft, "graph", "tests/fixtures/containers/quant_last.pt");
screen!(no_arguments,);
screen!(no_such_file, "no_such_model.pth");
screen!(a_folder, "examples");
screen!(not_a_checkpoint, "LICENSE-MIT");
screen!(a_float_checkpoint, "tests/fixtures/containers/float.pt");
screen!(dynamic_quantization, "tests/fixtures/containers/dynamic.pt");
screen!(never_calibrated, "tests/fixtures/containers/uncalibrated_converted.pt");
screen!(
    prepared_for_another_engine,
    "tests/fixtures/containers/observers_on_prepared.pt",
    "--engine",
    "qnnpack"
);
screen!(a_residual_state_dict, "tests/fixtures/layers/branches_fbgemm/converted_state_dict.pt");
screen!(constant_too_small, "examples/fashion_mnist/lenet_script.pt", "8");
screen!(constant_too_large, "examples/fashion_mnist/lenet_script.pt", "60");
screen!(bias_beyond_32_bits, "tests/fixtures/layers/extremes_fbgemm/script.pt");
screen!(inspect_reflected_border, "inspect", "tests/fixtures/layers/reflect_fbgemm/script.pt");
screen!(unknown_format, "examples/fashion_mnist/lenet_script.pt", "--format", "hex,verilog");
screen!(certify, "certify", "examples/fashion_mnist/lenet_script.pt", "--against", "x86");
screen!(
    certify_exact,
    "certify",
    "tests/fixtures/layers/transposed2d_qnnpack/script.pt",
    "--against",
    "exact",
    "--search"
);
screen!(
    certify_unknown_contract,
    "certify",
    "examples/fashion_mnist/lenet_script.pt",
    "--against",
    "pytorch"
);
