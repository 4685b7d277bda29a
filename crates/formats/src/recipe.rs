//! What to do with a network that nobody quantized: the lines of Python that quantize it, as hints print them.

/// From a PyTorch module.
pub const TORCH: &str = "quantize it on some of the training's inputs, in Python:
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx
    mapping = get_default_qconfig_mapping(\"x86\")
    prepared = quantize_fx.prepare_fx(model.eval(), mapping, (inputs[0],))
    for x in inputs: prepared(x)
    model = quantize_fx.convert_fx(prepared)
    torch.jit.trace(model, inputs[0]).save(\"model.pt\")";

/// From a float ONNX file.
pub const ONNX: &str = "quantize it on some of the training's inputs, in Python:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    class Inputs(CalibrationDataReader):
        feeds = iter([{\"NAME OF INPUT\": x} for x in inputs])
        def get_next(self): return next(self.feeds, None)
    quantize_static(\"float.onnx\", \"model.onnx\", Inputs())";

/// From a Keras model, whatever file holds it.
pub const TFLITE: &str = "convert it to TFLite in integers, in Python:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x] for x in inputs)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    open(\"model.tflite\", \"wb\").write(converter.convert())";
