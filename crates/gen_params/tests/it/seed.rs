//! The network that the project began with: a depthwise-separable converted state_dict, integers known from its first script.

use gen_params::derive::Options;
use gen_params::parameters::{LayerParameters, MultiplierForm};
use gen_params_test_support::{needs, shared};

use crate::support::parameters;

fn seed(form: Option<MultiplierForm>) -> Vec<LayerParameters> {
    let path = shared().join("models/seed_model_int8.pth");
    let mut options = Options::default();
    if let Some(form) = form {
        options.form = form;
    }
    parameters(&path, None, &options).unwrap().layers
}

/// M0 (and n) of each layer; the network is per tensor, so all channels have the same.
fn multipliers(layers: &[LayerParameters]) -> Vec<(u32, i32)> {
    layers
        .iter()
        .map(|layer| {
            let (m0, n) = (layer.multiplier.as_ref().unwrap(), layer.shift.as_ref().unwrap());
            assert!(m0.iter().all(|m| *m == m0[0]) && n.iter().all(|s| *s == n[0]), "{}", layer.name);
            (m0[0], n[0])
        })
        .collect()
}

#[needs(shared)]
fn multipliers_are_those_of_the_first_script() {
    for (n, expected) in [
        (16, [75, 520, 227, 843, 136, 190]),
        (32, [4_883_190, 34_048_388, 14_886_640, 55_226_604, 8_894_470, 12_433_481]),
    ] {
        let layers = seed(Some(MultiplierForm::Shift(n)));
        let m0: Vec<u32> = multipliers(&layers).into_iter().map(|(m0, _)| m0).collect();
        assert_eq!(m0, expected, "n = {n}");
    }
    let layers = seed(None);
    let expected = [
        (1_250_096_719, 40),
        (1_089_548_404, 37),
        (1_905_489_899, 39),
        (1_767_251_344, 37),
        (1_138_492_154, 39),
        (1_591_485_507, 39),
    ];
    assert_eq!(multipliers(&layers), expected);
}

#[needs(shared)]
fn sums_and_biases_are_those_of_the_first_script() {
    let layers = seed(None);
    let names: Vec<&str> = layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["conv1_dw", "conv1_pw", "conv2_dw", "conv2_pw", "fc1", "fc2"]);
    assert_eq!(layers[2].weight_sum, [56, 403, 67, 56, 84, 293, 217, -55, -48, 163]);
    assert_eq!(layers[0].weight_sum, [871]);
    assert_eq!(layers[0].folded_bias.as_deref(), Some(&[-28743][..]));
    assert_eq!(layers[0].padding_value, Some(33));
    for layer in &layers[1..] {
        assert_eq!(layer.input.unwrap().zero_point, 0, "{}", layer.name);
        assert_eq!(layer.folded_bias, layer.bias, "{}", layer.name);
    }
    assert_eq!(layers[4].bias.as_ref().unwrap()[..3], [-262, -108, 154]);
}
