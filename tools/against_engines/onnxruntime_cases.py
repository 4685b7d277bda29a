"""Random operators and small networks for ONNX Runtime: QDQ and QOperator form, as it computes them with all optimizations.

One thread, because the order of a few float32 sums depends on how many share an image (`run` says where). Every network has
one input, of reals or of codes; operators of two tensors take two parts of it. Its output is what a QuantizeLinear gives,
as codes or behind a DequantizeLinear: the engine makes signed codes unsigned only where the latter is so.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from case import Case

ENGINE = "onnxruntime"
LIBRARY = f"ONNX Runtime {onnxruntime.__version__}"

Array = np.ndarray
TYPES = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8, np.float32: TensorProto.FLOAT}


class Scheme:
    """S, Z and the type of an activation's codes."""

    def __init__(self, scale: float, zero_point: int, kind: type):
        self.scale, self.zero_point, self.kind = np.float32(scale), int(zero_point), kind

    def of(self, reals: Array) -> Array:
        """The codes of reals that are codes times S."""
        info = np.iinfo(self.kind)
        codes = np.rint(reals.astype(np.float64) / np.float64(self.scale)) + self.zero_point
        return np.clip(codes, info.min, info.max).astype(np.int64)


class Network:
    """A graph in the making, on one input."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.kind = [np.uint8, np.int8][rng.integers(2)]
        self.opset = int(rng.choice([11, 13, 17, 19, 21]))
        self.nodes, self.constants, self.words = [], [], []

    def constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator: str, inputs: list[str], domain: str = "", outputs: int = 1, **attributes):
        name = f"n{len(self.nodes)}"
        results = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, results, name, domain=domain, **attributes))
        return results[0] if outputs == 1 else results

    def numbers(self, scheme: Scheme) -> list[str]:
        """S and Z as inputs of a node."""
        return [self.constant(scheme.scale), self.constant(scheme.kind(scheme.zero_point))]

    def quantized(self, reals: str, scheme: Scheme) -> str:
        return self.node("QuantizeLinear", [reals, *self.numbers(scheme)])

    def dequantized(self, codes: str, scheme: Scheme) -> str:
        return self.node("DequantizeLinear", [codes, *self.numbers(scheme)])

    def dequantized_constants(self, names: list[str], axis: int | None) -> str:
        """A DequantizeLinear of constants; one with an axis is not in old operator sets."""
        if axis is None:
            return self.node("DequantizeLinear", names)
        self.opset = max(self.opset, 13)
        return self.node("DequantizeLinear", names, axis=axis)

    def both(self, reals: str, scheme: Scheme) -> str:
        return self.dequantized(self.quantized(reals, scheme), scheme)

    def scheme(self, scale: float | None = None) -> Scheme:
        """A scheme; scales are random, powers of two, or those that people write by hand, and now and then extreme."""
        rng, info = self.rng, np.iinfo(self.kind)
        if scale is None:
            choice = rng.random()
            if choice < 0.45:
                scale = np.exp(rng.uniform(np.log(1e-3), np.log(0.3)))
            elif choice < 0.7:
                scale = 2.0 ** -int(rng.integers(1, 9))
            elif choice < 0.9:
                scale = rng.choice([0.1, 0.05, 1 / 255, 0.02, 0.003, 1.0])
            else:
                scale = np.exp(rng.uniform(np.log(1e-6), np.log(100)))
        middle = info.min + 128
        zero = rng.choice([info.min, info.max, middle, middle, int(rng.integers(info.min, info.max + 1))])
        return Scheme(scale, zero, self.kind)

    def result(self, reach: float) -> Scheme:
        """A scheme for results of about this size: often with many results on ties, and some at both ends."""
        scale = max(reach, 1e-30) / self.rng.choice([32, 64, 100, 128, 200])
        if self.rng.random() < 0.3:
            scale = 2.0 ** np.round(np.log2(scale))
        return self.scheme(float(np.clip(scale, 1e-12, 1e12)))

    def say(self, text: str) -> None:
        self.words.append(text)


def spread(network: Network, scheme: Scheme, shape: tuple[int, ...]) -> Array:
    """Reals whose codes are everywhere, at both ends and on ties."""
    rng, info = network.rng, np.iinfo(scheme.kind)
    codes = rng.integers(info.min, info.max + 1, shape).astype(np.float64)
    narrow = rng.random()
    if narrow < 0.2:
        codes = np.clip(scheme.zero_point + rng.integers(-9, 10, shape), info.min, info.max).astype(np.float64)
    elif narrow < 0.3:
        codes = rng.choice([info.min, info.max], shape).astype(np.float64)
    if rng.random() < 0.3:
        codes += rng.choice([0, 0.5, -0.5, 300, -300], shape, p=[0.6, 0.15, 0.15, 0.05, 0.05])
    return ((codes - scheme.zero_point) * np.float64(scheme.scale)).astype(np.float32)


def session(model: bytes, optimized: Path | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if optimized:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def given_by(model: onnx.ModelProto, scheme: Scheme) -> Scheme:
    """The scheme of a model's output after the engine may have made its codes unsigned."""
    last = next(node for node in model.graph.node if model.graph.output[0].name in node.output)
    constants = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    if last.op_type != "DequantizeLinear":
        return scheme
    zero = constants[last.input[2]]
    return Scheme(scheme.scale, int(zero), zero.dtype.type)


def finished(network: Network, row: str, array: Array, result: str, scheme: Scheme, as_codes: bool) -> Case:
    """The case of a network whose result is codes (`as_codes`) or reals of `scheme`. Its input has the array's type."""
    output = helper.make_tensor_value_info(result, TYPES[scheme.kind] if as_codes else TensorProto.FLOAT, None)
    shape = ["images", *array.shape[1:]]
    given = helper.make_tensor_value_info("x", TYPES[array.dtype.type], shape)
    graph = helper.make_graph(network.nodes, "network", [given], [output], network.constants)
    opsets = [helper.make_opsetid("", network.opset), helper.make_opsetid("com.microsoft", 1)]
    model = onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    content = model.SerializeToString()
    if row == "optimized file":
        with tempfile.TemporaryDirectory(prefix="against_engines_") as folder:
            path = Path(folder) / "optimized.onnx"
            session(content, path)
            content = path.read_bytes()
        scheme = given_by(onnx.load_from_string(content), scheme)
    engine = session(content)

    def again(array: Array) -> Array:
        found = engine.run(None, {"x": array})[0]
        return found.astype(np.int64) if as_codes else scheme.of(found)

    kind = np.dtype(network.kind).name
    said = f"opset {network.opset}, {kind}, input {list(array.shape)}: {'; '.join(network.words)}"
    return Case(row, ENGINE, "onnxruntime", {"model.onnx": content}, "model.onnx", array, again(array), said, again)


# What a builder gives: the row's name is the caller's.
Made = tuple[Array, str, Scheme, bool]


def ended(network: Network, array: Array, reals: str, scheme: Scheme) -> Made:
    """Quantized, and half of the time dequantized again."""
    codes = network.quantized(reals, scheme)
    if network.rng.random() < 0.35:
        return array, codes, scheme, True
    return array, network.dequantized(codes, scheme), scheme, False


def batch(network: Network, image: tuple[int, ...]) -> int:
    """One image, a few, or as many as make a run worth its start."""
    rng = network.rng
    few = int(rng.choice([1, 1, 2, 3]))
    many = int(rng.choice([2_000, 20_000, 60_000])) // int(np.prod(image))
    return few if rng.random() < 0.3 else int(np.clip(many, few, 4096))


def image(network: Network, channels: int | None = None, axes: int = 2, largest: int = 9) -> tuple[int, ...]:
    rng = network.rng
    one = (channels or int(rng.integers(1, 17)), *(int(n) for n in rng.integers(1, largest + 1, axes)))
    return (batch(network, one), *one)


def begun(network: Network, shape: tuple[int, ...]) -> tuple[Array, str, Scheme]:
    """An input of reals, quantized and dequantized."""
    scheme = network.scheme()
    network.say(f"S1 {scheme.scale}, Z1 {scheme.zero_point}")
    return spread(network, scheme, shape), network.both("x", scheme), scheme


def two(network: Network, shape: tuple[int, ...], axis: int = 1, schemes: list[Scheme] | None = None):
    """Two parts of an input, each with a scheme of its own."""
    whole = tuple(2 * n if i == axis else n for i, n in enumerate(shape))
    a, b = schemes or [network.scheme(), network.scheme()]
    parts = np.concatenate([spread(network, a, shape), spread(network, b, shape)], axis)
    assert parts.shape == whole
    ends = [(0, shape[axis]), (shape[axis], 2 * shape[axis])]
    sliced = [
        network.node("Slice", ["x", *(network.constant(np.array([n], np.int64)) for n in (start, end, axis))])
        for start, end in ends
    ]
    network.say(f"S1 {a.scale}, Z1 {a.zero_point}, S2 {b.scale}, Z2 {b.zero_point}")
    return parts, [network.both(part, scheme) for part, scheme in zip(sliced, (a, b))], (a, b)


def weights(network: Network, shape: tuple[int, ...], axis: int, channels: int, kind: type | None = None):
    """Codes, scales and zero points of weights, per tensor or per channel along an axis; and the type."""
    rng = network.rng
    kind = kind or [np.int8, np.int8, np.uint8][rng.integers(3)]
    info = np.iinfo(kind)
    codes = rng.integers(info.min, info.max + 1, shape)
    if rng.random() < 0.4:
        codes = np.clip(np.rint(rng.normal(0, 25, shape)) + info.min + 128, info.min, info.max)
    per_channel = rng.random() < 0.5
    scale = np.exp(rng.uniform(np.log(1e-4), np.log(0.05), channels if per_channel else ())).astype(np.float32)
    if rng.random() < 0.25:
        scale = (2.0 ** np.round(np.log2(scale))).astype(np.float32)
    middle = info.min + 128
    zero = np.full(scale.shape, middle, kind)
    if rng.random() < 0.2:
        zero = rng.integers(info.min, info.max + 1, scale.shape).astype(kind)
    network.say(f"weights {list(shape)} {np.dtype(kind).name}{' per channel' if per_channel else ''}, Z2 {zero.ravel()[0]}")
    return codes.astype(kind), np.asarray(scale), zero, axis


def dequantized_weights(network: Network, codes: Array, scale: Array, zero: Array, axis: int) -> str:
    names = [network.constant(codes), network.constant(scale), network.constant(zero)]
    return network.dequantized_constants(names, axis if scale.ndim else None)


def bias(network: Network, channels: int, scale: Array, unusual: bool = True) -> tuple[str | None, float]:
    """A bias of S1*S2 = `scale`, as quantizers write it or otherwise; and how large it is."""
    rng = network.rng
    choice = rng.choice(["none", "int32", "int32", "float", "scale", "zero point", "int8"]) if unusual else "int32"
    network.say(f"bias {choice}")
    if choice == "none":
        return None, 0.0
    codes = rng.integers(-20000, 20000, channels).astype(np.int32)
    full = np.broadcast_to(scale, channels).astype(np.float32)
    reach = float(np.max(np.abs(codes * full)))
    if choice == "float":
        return network.constant((codes * full * np.float32(0.9999)).astype(np.float32)), reach
    own, zero = (full if scale.ndim else scale), np.zeros(scale.shape, np.int32)
    if choice == "scale":
        own = (own * np.float32(rng.choice([1.00002, 1.5, 0.37]))).astype(np.float32)
    elif choice == "zero point":
        zero = np.full(scale.shape, 3, np.int32)
    elif choice == "int8":
        codes, zero = (codes // 200).astype(np.int8), np.zeros(scale.shape, np.int8)
    names = [network.constant(codes), network.constant(own), network.constant(zero)]
    return network.dequantized_constants(names, 0 if scale.ndim else None), reach


def geometry(network: Network, axes: int, sizes: tuple[int, ...]) -> dict:
    rng = network.rng
    kernel = [int(rng.integers(1, min(5, size) + 1)) for size in sizes]
    dilation = [int(rng.integers(1, 3)) if (k - 1) * 2 < size and rng.random() < 0.3 else 1 for k, size in zip(kernel, sizes)]
    pads = [int(rng.integers(0, k)) for k in kernel * 2] if rng.random() < 0.6 else [0] * 2 * axes
    stride = [int(rng.choice([1, 1, 2, 3])) for _ in range(axes)]
    return {"kernel_shape": kernel, "strides": stride, "pads": pads, "dilations": dilation}


def layer_reach(x: Scheme, scale: Array, products: int) -> float:
    return float(x.scale) * float(np.max(scale)) * 70 * 70 * np.sqrt(products)


def convolution(network: Network, array: Array, reals: str, scheme: Scheme, plain: bool = False):
    """A convolution of reals; the result, and about how large it is."""
    rng, shape = network.rng, array if isinstance(array, tuple) else array.shape
    axes, inputs = len(shape) - 2, shape[1]
    divisors = [g for g in range(1, inputs + 1) if inputs % g == 0]
    groups = int(rng.choice([1, 1, 1, inputs, int(rng.choice(divisors))]))
    outputs = groups * int(rng.choice([1, 2, 3, 8, 16]))
    space = geometry(network, axes, shape[2:])
    network.say(f"groups {groups}, {space}")
    codes, scale, zero, axis = weights(network, (outputs, inputs // groups, *space["kernel_shape"]), 0, outputs)
    name = dequantized_weights(network, codes, scale, zero, axis)
    added, reach = bias(network, outputs, (scheme.scale * scale).astype(np.float32), not plain)
    result = network.node("Conv", [reals, name] + ([added] if added else []), group=groups, **space)
    return result, layer_reach(scheme, scale, codes[0].size) + 0.5 * reach, outputs


def activated(network: Network, reals: str, reach: float) -> str:
    """With an activation, or not."""
    choice = network.rng.random()
    if choice < 0.5:
        return reals
    network.say("relu" if choice < 0.85 else "clip")
    if choice < 0.85:
        return network.node("Relu", [reals])
    limits = [network.constant(np.float32(limit)) for limit in (0.0, 0.4 * reach)]
    return network.node("Clip", [reals, *limits])


def conv(network: Network) -> Made:
    axes = int(network.rng.choice([1, 2, 2, 2, 3]))
    array, reals, scheme = begun(network, image(network, axes=axes, largest=14 if axes < 3 else 6))
    result, reach, _ = convolution(network, array, reals, scheme)
    return ended(network, array, activated(network, result, reach), network.result(reach))


def conv_transpose(network: Network) -> Made:
    rng, axes = network.rng, int(network.rng.choice([1, 2, 2, 2, 3]))
    shape = image(network, axes=axes, largest=6)
    array, reals, scheme = begun(network, shape)
    groups = int(rng.choice([1, 1, shape[1]]))
    outputs = int(rng.integers(1, 9))
    kernel = [int(rng.integers(1, 5)) for _ in range(axes)]
    stride = [int(rng.integers(1, 4)) for _ in range(axes)]
    pads = [int(rng.integers(0, 2)) if (s - 1) * t + k > 2 else 0 for s, t, k in zip(shape[2:], stride, kernel)] * 2
    extra = [int(rng.integers(0, s)) if rng.random() < 0.3 else 0 for s in stride]
    network.say(f"groups {groups}, kernel {kernel}, stride {stride}, pads {pads}, output padding {extra}")
    codes, scale, zero, axis = weights(network, (shape[1], outputs, *kernel), 1, outputs)
    if groups > 1:
        scale, zero = np.float32(np.max(scale)), zero.ravel()[0]
    name = dequantized_weights(network, codes, np.asarray(scale), np.asarray(zero), axis)
    added, reach = bias(network, outputs * groups, np.asarray(scheme.scale * np.max(scale), np.float32))
    result = network.node(
        "ConvTranspose", [reals, name] + ([added] if added else []), group=groups, kernel_shape=kernel, strides=stride,
        pads=pads, output_padding=extra,
    )
    reach = layer_reach(scheme, scale, shape[1] // groups * 2) + 0.5 * reach
    return ended(network, array, activated(network, result, reach), network.result(reach))


def matrix(network: Network) -> tuple[int, int]:
    inputs = int(network.rng.choice([1, 3, 7, 8, 16, 33, 100, 200]))
    return batch(network, (inputs,)), inputs


def gemm(network: Network) -> Made:
    rng, (rows, inputs) = network.rng, matrix(network)
    array, reals, scheme = begun(network, (rows, inputs))
    outputs, transposed = int(rng.integers(1, 33)), int(rng.integers(2))
    shape = (outputs, inputs) if transposed else (inputs, outputs)
    codes, scale, zero, axis = weights(network, shape, 1 - transposed, outputs)
    name = dequantized_weights(network, codes, scale, zero, axis)
    added, reach = bias(network, outputs, (scheme.scale * scale).astype(np.float32))
    result = network.node("Gemm", [reals, name] + ([added] if added else []), transB=transposed)
    reach = layer_reach(scheme, scale, inputs) + 0.5 * reach
    return ended(network, array, activated(network, result, reach), network.result(reach))


def matmul(network: Network) -> Made:
    rng, (rows, inputs) = network.rng, matrix(network)
    outputs = int(rng.integers(1, 33))
    if rng.random() < 0.4:
        side = int(rng.integers(1, 13))
        array, operands, (a, b) = two(network, (batch(network, (side, side)), side, side))
        reach = float(a.scale * b.scale) * 70 * 70 * np.sqrt(side)
        return ended(network, array, network.node("MatMul", operands), network.result(reach))
    array, reals, scheme = begun(network, (rows, inputs))
    codes, scale, zero, axis = weights(network, (inputs, outputs), 1, outputs)
    result = network.node("MatMul", [reals, dequantized_weights(network, codes, scale, zero, axis)])
    reach = layer_reach(scheme, scale, inputs)
    if rng.random() < 0.3:
        network.say("bias added")
        added = (rng.normal(0, reach / 4, outputs)).astype(np.float32)
        result = network.node("Add", [result, network.constant(added)])
    return ended(network, array, result, network.result(reach))


def binary(operator: str) -> Callable[[Network], Made]:
    def build(network: Network) -> Made:
        array, operands, (a, b) = two(network, image(network, axes=2, largest=12))
        reach = 90.0 * float(a.scale * b.scale) * 90 if operator == "Mul" else 90.0 * float(max(a.scale, b.scale))
        result = network.node(operator, operands)
        return ended(network, array, activated(network, result, reach), network.result(reach))

    return build


def function(operator: str, reach: float | None, **attributes) -> Callable[[Network], Made]:
    """An element-wise function; its results reach so far, or as far as its input."""

    def build(network: Network) -> Made:
        network.opset = max(network.opset, {"Gelu": 20, "HardSwish": 14}.get(operator, 0))
        array, reals, scheme = begun(network, image(network, largest=12))
        if "alpha" in attributes and operator == "LeakyRelu":
            attributes["alpha"] = float(network.rng.choice([0.01, 0.1, 0.25, 0.3]))
        size = reach if reach is not None else 100 * float(scheme.scale)
        return ended(network, array, network.node(operator, [reals], **attributes), network.result(size))

    return build


def limits(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, largest=12))
    bounds = sorted(network.rng.normal(0, 60 * float(scheme.scale), 2))
    inputs = [network.constant(np.float32(bound)) for bound in bounds]
    result = network.node("Clip", [reals, *inputs])
    return ended(network, array, result, network.result(100 * float(scheme.scale)))


def softmax(network: Network) -> Made:
    rng = network.rng
    one = tuple(int(n) for n in rng.integers(1, 12, int(rng.integers(1, 4))))
    shape = (batch(network, one), *one)
    array, reals, _ = begun(network, shape)
    axis = -1 if network.opset < 13 else int(rng.choice([-1, -1, len(shape) - 1, 1]))
    network.say(f"axis {axis}")
    scheme = Scheme(rng.choice([1 / 256, 1 / 255, 0.003, 0.002]), np.iinfo(network.kind).min, network.kind)
    if rng.random() < 0.3:
        scheme = network.result(1.0)
    return ended(network, array, network.node("Softmax", [reals], axis=axis), scheme)


def pool(network: Network, shape: tuple[int, ...], average: bool) -> dict:
    space = geometry(network, len(shape) - 2, shape[2:])
    if average:
        space.pop("dilations")
        space["count_include_pad"] = int(network.rng.integers(2))
    network.say(str(space))
    return space


def max_pool(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, axes=int(network.rng.integers(1, 3)), largest=14))
    result = network.node("MaxPool", [reals], **pool(network, array.shape, False))
    return ended(network, array, result, scheme)


def average_pool(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, axes=int(network.rng.integers(1, 3)), largest=14))
    result = network.node("AveragePool", [reals], **pool(network, array.shape, True))
    own = scheme if network.rng.random() < 0.5 else network.result(90 * float(scheme.scale))
    return ended(network, array, result, own)


def global_average_pool(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, largest=14))
    own = scheme if network.rng.random() < 0.5 else network.result(40 * float(scheme.scale))
    return ended(network, array, network.node("GlobalAveragePool", [reals]), own)


def reduce_mean(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, largest=14))
    axes = [[2, 3], [3], [1, 2, 3], [1]][network.rng.integers(4)]
    network.say(f"axes {axes}")
    keep = int(network.rng.integers(2))
    if network.opset < 18:
        result = network.node("ReduceMean", [reals], axes=axes, keepdims=keep)
    else:
        result = network.node("ReduceMean", [reals, network.constant(np.array(axes, np.int64))], keepdims=keep)
    return ended(network, array, result, network.result(40 * float(scheme.scale)))


def concat(network: Network) -> Made:
    array, operands, (a, b) = two(network, image(network, largest=12))
    axis = int(network.rng.choice([1, 2, 3]))
    own = network.rng.choice([0, 1, 2])
    scheme = [a, b, network.result(110 * float(max(a.scale, b.scale)))][own]
    return ended(network, array, network.node("Concat", operands, axis=axis), scheme)


def rearranged(operator: str) -> Callable[[Network], Made]:
    """A change of shape between two pairs of QuantizeLinear and DequantizeLinear, with other numbers behind it or the same."""

    def build(network: Network) -> Made:
        rng = network.rng
        network.opset = max(network.opset, 13)
        shape = image(network, largest=8)
        shape = (*shape[:1], 1, *shape[2:]) if operator == "Squeeze" else shape
        array, reals, scheme = begun(network, shape)
        whole = lambda *numbers: network.constant(np.array(numbers, np.int64))
        match operator:
            case "Reshape":
                result = network.node("Reshape", [reals, whole(0, -1)])
            case "Flatten":
                result = network.node("Flatten", [reals], axis=1)
            case "Transpose":
                result = network.node("Transpose", [reals], perm=[0, *(int(n) + 1 for n in rng.permutation(3))])
            case "Squeeze":
                result = network.node("Squeeze", [reals, whole(1)])
            case "Unsqueeze":
                result = network.node("Unsqueeze", [reals, whole(2)])
            case "Slice":
                axis = int(rng.integers(1, 4))
                end = int(rng.integers(1, shape[axis] + 1))
                result = network.node("Slice", [reals, whole(0), whole(end), whole(axis)])
            case "Pad":
                result = network.node("Pad", [reals, whole(0, 0, 1, 0, 0, 0, 2, 1)])
            case "Resize":
                factors = network.constant(np.array([1, 1, 2, 3], np.float32))
                result = network.node("Resize", [reals, "", factors], mode="nearest", nearest_mode="floor",
                                      coordinate_transformation_mode="asymmetric")
            case _:
                result = network.node("Identity", [reals])
        own = scheme if rng.random() < 0.6 else network.result(100 * float(scheme.scale))
        return ended(network, array, result, own)

    return build


def quantize(network: Network) -> Made:
    array, reals, scheme = begun(network, image(network, largest=16))
    return ended(network, array, reals, network.result(100 * float(scheme.scale)))


def coded(network: Network, shape: tuple[int, ...]) -> tuple[Array, Scheme]:
    """An input of codes."""
    scheme = network.scheme()
    network.say(f"S1 {scheme.scale}, Z1 {scheme.zero_point}")
    return scheme.of(spread(network, scheme, shape)).astype(network.kind), scheme


def coded_two(network: Network, shape: tuple[int, ...], axis: int = 1):
    """Two parts of an input of codes, each with a scheme of its own."""
    (first, a), (second, b) = coded(network, shape), coded(network, shape)
    numbers = lambda *n: network.constant(np.array(n, np.int64))
    size = shape[axis]
    parts = [network.node("Slice", ["x", numbers(s), numbers(e), numbers(axis)]) for s, e in ((0, size), (size, 2 * size))]
    return np.concatenate([first, second], axis), parts, (a, b)


def qlinear_conv(network: Network) -> Made:
    rng, axes = network.rng, int(network.rng.choice([1, 2, 2, 3]))
    array, scheme = coded(network, image(network, axes=axes, largest=14 if axes < 3 else 6))
    inputs = array.shape[1]
    groups = int(rng.choice([1, 1, inputs]))
    outputs = groups * int(rng.choice([1, 2, 8, 16]))
    space = geometry(network, axes, array.shape[2:])
    network.say(f"groups {groups}, {space}")
    kind = np.int8 if network.kind == np.int8 else None
    codes, scale, zero, _ = weights(network, (outputs, inputs // groups, *space["kernel_shape"]), 0, outputs, kind)
    if network.kind == np.int8 or scale.ndim:
        # The kernels have one zero point for all channels.
        zero = np.full(scale.shape, zero.ravel()[0], zero.dtype)
    reach = layer_reach(scheme, scale, codes[0].size)
    own = network.result(reach)
    names = ["x", *network.numbers(scheme), *(network.constant(n) for n in (codes, scale, zero)), *network.numbers(own)]
    if rng.random() < 0.6:
        names.append(network.constant(rng.integers(-20000, 20000, outputs).astype(np.int32)))
    return array, network.node("QLinearConv", names, group=groups, **space), own, True


def qlinear_matmul(network: Network) -> Made:
    rng, (rows, inputs) = network.rng, matrix(network)
    array, scheme = coded(network, (rows, inputs))
    outputs = int(rng.integers(1, 33))
    kind = np.int8 if network.kind == np.int8 else None
    codes, scale, zero, _ = weights(network, (inputs, outputs), 1, outputs, kind)
    own = network.result(layer_reach(scheme, scale, inputs))
    names = ["x", *network.numbers(scheme), *(network.constant(n) for n in (codes, scale, zero)), *network.numbers(own)]
    return array, network.node("QLinearMatMul", names), own, True


def qgemm(network: Network) -> Made:
    rng, (rows, inputs) = network.rng, matrix(network)
    array, scheme = coded(network, (rows, inputs))
    outputs, transposed = int(rng.integers(1, 33)), int(rng.integers(2))
    kind = np.int8 if network.kind == np.int8 else None
    shape = (outputs, inputs) if transposed else (inputs, outputs)
    codes, scale, zero, _ = weights(network, shape, 1 - transposed, outputs, kind)
    own = network.result(layer_reach(scheme, scale, inputs))
    added = network.constant(rng.integers(-20000, 20000, outputs).astype(np.int32)) if rng.random() < 0.6 else ""
    names = ["x", *network.numbers(scheme), *(network.constant(n) for n in (codes, scale, zero)), added, *network.numbers(own)]
    return array, network.node("QGemm", names, "com.microsoft", transB=transposed), own, True


def qlinear_binary(operator: str) -> Callable[[Network], Made]:
    def build(network: Network) -> Made:
        array, parts, (a, b) = coded_two(network, image(network, largest=12))
        product = operator == "QLinearMul"
        own = network.result(90.0 * float(a.scale * b.scale) * 90 if product else 90.0 * float(max(a.scale, b.scale)))
        names = [parts[0], *network.numbers(a), parts[1], *network.numbers(b), *network.numbers(own)]
        return array, network.node(operator, names, "com.microsoft"), own, True

    return build


def qlinear_concat(network: Network) -> Made:
    array, parts, (a, b) = coded_two(network, image(network, largest=12))
    own = network.result(110 * float(max(a.scale, b.scale)))
    names = [*network.numbers(own), parts[0], *network.numbers(a), parts[1], *network.numbers(b)]
    return array, network.node("QLinearConcat", names, "com.microsoft", axis=1), own, True


def qlinear_unary(operator: str) -> Callable[[Network], Made]:
    def build(network: Network) -> Made:
        rng = network.rng
        array, scheme = coded(network, image(network, largest=12))
        own, attributes = network.result(100 * float(scheme.scale)), {}
        match operator:
            case "QLinearAveragePool":
                attributes = pool(network, array.shape, True)
            case "QLinearLeakyRelu":
                attributes = {"alpha": float(rng.choice([0.01, 0.1, 0.25]))}
            case "QLinearSigmoid":
                own = network.result(1.0)
            case "QLinearSoftmax":
                own = Scheme(rng.choice([1 / 256, 1 / 255, 0.003]), np.iinfo(network.kind).min, network.kind)
                new = bool(rng.integers(2))
                attributes = {"axis": int(rng.choice([1, 3, -1])) if new else 3, "opset": 13 if new else 11}
        names = ["x", *network.numbers(scheme), *network.numbers(own)]
        return array, network.node(operator, names, "com.microsoft", **attributes), own, True

    return build


def chain(network: Network) -> Made:
    """Convolutions, pooling and sums with what came before: codes with one reader and with several."""
    rng = network.rng
    array, reals, scheme = begun(network, image(network, int(rng.choice([3, 4, 8])), largest=10))
    shape = array.shape
    for _ in range(int(rng.integers(2, 5))):
        before, before_scheme = reals, scheme
        choice = rng.random()
        if choice < 0.7 or min(shape[2:]) < 2:
            outputs = shape[1]
            codes, scale, zero, axis = weights(network, (outputs, shape[1], 3, 3), 0, outputs, np.int8)
            name = dequantized_weights(network, codes, scale, np.zeros_like(zero), axis)
            added, _ = bias(network, outputs, (scheme.scale * scale).astype(np.float32), rng.random() < 0.2)
            result = network.node("Conv", [reals, name] + ([added] if added else []), pads=[1, 1, 1, 1])
            scheme = network.result(layer_reach(scheme, scale, codes[0].size))
            if rng.random() < 0.5:
                result = network.node("Relu", [result])
                scheme.zero_point = int(np.iinfo(network.kind).min)
            codes_name = network.quantized(result, scheme)
            reals = network.dequantized(codes_name, scheme)
            if rng.random() < 0.6:
                network.say("sum")
                result = network.node("Add", [reals, before])
                scheme = network.result(70 * float(max(scheme.scale, before_scheme.scale)))
                reals = network.both(result, scheme)
        elif choice < 0.85:
            reals = network.node("MaxPool", [reals], kernel_shape=[2, 2], strides=[2, 2])
            shape = (*shape[:2], shape[2] // 2, shape[3] // 2)
            if rng.random() < 0.7:
                reals = network.both(reals, scheme)
        else:
            scheme = Scheme(scheme.scale * rng.uniform(0.5, 1), scheme.zero_point, scheme.kind)
            reals = network.both(network.node("LeakyRelu", [reals], alpha=0.1), scheme)
    if rng.random() < 0.3:
        reals = network.both(network.node("GlobalAveragePool", [reals]), network.result(30 * float(scheme.scale)))
    scheme = network.result(90 * float(scheme.scale))
    return ended(network, array, network.node("LeakyRelu", [reals], alpha=0.25), scheme)


BUILDERS: dict[str, Callable[[Network], Made]] = {
    "QuantizeLinear": quantize,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QGemm": qgemm,
    **{name: qlinear_binary(name) for name in ("QLinearAdd", "QLinearMul")},
    "QLinearConcat": qlinear_concat,
    **{
        name: qlinear_unary(name)
        for name in ("QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax")
    },
    **{name: binary(name) for name in ("Add", "Sub", "Mul")},
    "Relu": function("Relu", None),
    "Clip": limits,
    "Sigmoid": function("Sigmoid", 1.0),
    "Tanh": function("Tanh", 1.0),
    "HardSigmoid": function("HardSigmoid", 1.0, alpha=1 / 6, beta=0.5),
    "HardSwish": function("HardSwish", None),
    "LeakyRelu": function("LeakyRelu", None, alpha=0.01),
    "Elu": function("Elu", None),
    "Gelu": function("Gelu", None),
    "Softmax": softmax,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
    "Concat": concat,
    **{
        name: rearranged(name)
        for name in ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Pad", "Resize", "Identity")
    },
    "small network": chain,
    "optimized file": chain,
}

OPERATORS = list(BUILDERS)


def cases(operators: list[str], rng: np.random.Generator) -> Iterator[Case]:
    """Endless random cases of these rows."""
    while True:
        row = str(rng.choice(operators))
        network = Network(rng)
        array, result, scheme, as_codes = BUILDERS[row](network)
        yield finished(network, row, array, result, scheme, as_codes)
