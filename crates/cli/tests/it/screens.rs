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

// What was meant.
screen!(misspelt_command, "inspct", "examples/fashion_mnist/lenet_script.pt");
screen!(misspelt_command_alone, "inspct");
screen!(misspelt_model, "examples/fashion_mnist/lenet_scrpt.pt");
screen!(swapped_arguments, "16", "examples/fashion_mnist/lenet_script.pt");
screen!(two_constants, "16", "17");
screen!(three_words, "examples/fashion_mnist/lenet_script.pt", "16", "17");
screen!(negative_constant, "examples/fashion_mnist/lenet_script.pt", "-1");
screen!(power_of_two, "examples/fashion_mnist/lenet_script.pt", "65536");
screen!(constant_by_another_name, "inspect", "examples/fashion_mnist/lenet_script.pt", "--n", "16");
screen!(command_behind_the_model, "examples/fashion_mnist/lenet_script.pt", "inspect");
screen!(emit_without_a_language, "emit", "examples/fashion_mnist/lenet_script.pt");
screen!(folder_without_its_option, "examples/fashion_mnist/lenet_script.pt", "weights");

// Networks that nobody quantized.
screen!(float_onnx, "tests/fixtures/messages/float.onnx");
screen!(dynamic_onnx, "tests/fixtures/messages/dynamic.onnx");
screen!(float_torchscript, "tests/fixtures/messages/float_script.pt");
screen!(float_exported_program, "inspect", "tests/fixtures/messages/float.pt2");

// Names that would command a terminal.
screen!(escaped_operator, "inspect", "tests/fixtures/messages/escaped_operator.onnx");
screen!(escaped_names, "graph", "tests/fixtures/messages/escaped_names.onnx");
