"""Random TFLite operators and small networks, with the codes that LiteRT gives: its reference kernels (engine litert)
and its default interpreter (engine litert-xnnpack).

Every file is written with LiteRT's own schema classes. A file has a batch of its own; the interpreter is invoked as
often as the input has images for it.
"""

import importlib.metadata

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from case import Case

ENGINE = "litert"
LIBRARY = f"LiteRT {importlib.metadata.version('ai-edge-litert')}"
RESOLVERS = {"litert": OpResolverType.BUILTIN_REF, "litert-xnnpack": OpResolverType.AUTO}
TYPES = {
    "int2": schema.TensorType.INT2,
    "int4": schema.TensorType.INT4,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "float32": schema.TensorType.FLOAT32,
}
RANGES = {"int2": (-2, 1), "int4": (-8, 7), "int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
FUSED = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
# Codes that one case compares, about.
CODES = 20_000


class Refused(Exception):
    """LiteRT does not take the model: another is drawn."""


class Tensor:
    """A tensor of a file."""

    def __init__(self, index, shape, dtype, scale, zero):
        self.index, self.shape, self.dtype, self.scale, self.zero = index, tuple(shape), dtype, scale, zero


class Net:
    """A file in the making."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version, self.model.buffers, self.model.operatorCodes = 3, [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self.model.subgraphs = [self.graph]
        self.words = []

    def tensor(self, shape, dtype, scale=None, zero=0, data=None, axis=0, variable=False):
        t = schema.TensorT()
        t.name, t.shape, t.type = f"t{len(self.graph.tensors)}".encode(), [int(s) for s in shape], TYPES[dtype]
        t.isVariable = variable
        if scale is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(np.float32(scale)).tolist()
            count = len(t.quantization.scale)
            t.quantization.zeroPoint = np.broadcast_to(zero, count).astype(int).tolist()
            t.quantization.quantizedDimension = axis
        if data is not None:
            b = schema.BufferT()
            b.data = np.frombuffer(packed(np.asarray(data), dtype), np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(t)
        return Tensor(len(self.graph.tensors) - 1, shape, dtype, scale, zero)

    def input(self, shape, dtype, scale=None, zero=0):
        tensor = self.tensor(shape, dtype, scale, zero)
        self.graph.inputs.append(tensor.index)
        return tensor

    def integers(self, values):
        values = np.asarray(values, np.int32)
        return self.tensor(values.shape, "int32", data=values)

    def add(self, operator, inputs, outputs, options=None, version=1):
        code = getattr(schema.BuiltinOperator, operator)
        codes = [(c.builtinCode, c.version) for c in self.model.operatorCodes]
        if (code, version) not in codes:
            c = schema.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), version
            self.model.operatorCodes.append(c)
            codes.append((code, version))
        op = schema.OperatorT()
        op.opcodeIndex = codes.index((code, version))
        op.inputs = [-1 if t is None else t.index for t in inputs]
        op.outputs = [t.index for t in outputs]
        if options is not None:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
            op.builtinOptions = options
        self.graph.operators.append(op)
        return op

    def outputs(self, *tensors):
        self.graph.outputs = [t.index for t in tensors]

    def bytes(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def packed(data, dtype):
    """The bytes of a constant; codes of 4 and 2 bits share a byte, the first in the low bits."""
    if dtype not in ("int4", "int2"):
        return data.astype(dtype).tobytes()
    bits = int(dtype[3:])
    codes = data.reshape(-1) & ((1 << bits) - 1)
    codes = np.concatenate([codes, np.zeros(-len(codes) % (8 // bits), codes.dtype)]).reshape(-1, 8 // bits)
    return (codes << (np.arange(8 // bits) * bits)).sum(axis=1).astype(np.uint8).tobytes()


def options(kind, **values):
    made = getattr(schema, kind + "OptionsT")()
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Draw:
    """Random numbers in the proportions that hurt: ordinary scales, powers of two (ties), and extreme ones."""

    def __init__(self, rng):
        self.rng = rng

    def int(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def of(self, *choices):
        return choices[self.int(0, len(choices) - 1)]

    def chance(self, share):
        return self.rng.random() < share

    def dtype(self, *choices):
        return self.of(*(choices or ("int8", "int8", "uint8", "int16")))

    def zero(self, dtype):
        if dtype == "int16":
            return 0
        low, high = RANGES[dtype]
        return self.of(low, high, (low + high + 1) // 2, self.int(low, high), self.int(low, high), self.int(low, high))

    def scale(self, about=0.05, spread=4.0):
        """Near `about`: any float32, a power of two, or three quarters of one."""
        value = about * 2.0 ** self.rng.uniform(-spread, spread)
        kind = self.int(0, 9)
        if kind < 2:
            value = 2.0 ** round(np.log2(value))
        elif kind == 2:
            value = 0.75 * 2.0 ** round(np.log2(value))
        elif kind == 3:
            value = about * 2.0 ** self.rng.uniform(-2 * spread, 2 * spread)
        return float(np.float32(value))

    def activation(self, dtype, about=None):
        """Scale and zero point."""
        return self.scale(about or (0.05 if dtype != "int16" else 0.0005)), self.zero(dtype)

    def codes(self, shape, dtype, zero=0):
        """All codes, few around the zero point, or the two ends."""
        low, high = RANGES[dtype]
        kind = self.int(0, 5)
        if kind == 0:
            codes = self.rng.choice([low, high, zero], shape)
        elif kind == 1:
            codes = np.clip(zero + self.rng.integers(-4, 5, shape), low, high)
        elif kind == 2 and dtype == "int16":
            codes = np.clip(np.rint(self.rng.normal(zero, 1000, shape)), low, high)
        else:
            codes = self.rng.integers(low, high + 1, shape)
        return codes.astype(dtype)

    def image(self, most=9, channels=12):
        return [self.of(1, 1, 2, 3), self.int(1, most), self.int(1, most), self.int(1, channels)]

    def fused(self, *choices):
        name = self.of(*(choices or ("NONE", "NONE", *FUSED)))
        return getattr(schema.ActivationFunctionType, name)


def same(size, kernel, stride, dilation=1):
    return -(-size // stride)


def valid(size, kernel, stride, dilation=1):
    return -(-(size - (kernel - 1) * dilation) // stride)


def weights(d, dtype, shape, channels, narrow):
    """Codes, scale, zero point and element type of weights for activations of a type."""
    kind = "uint8" if dtype == "uint8" else "int8"
    if dtype == "int8" and narrow and d.chance(0.2):
        kind = "int4"
    low, high = RANGES[kind]
    if kind == "uint8":
        return d.codes(shape, kind), d.scale(0.01), d.int(0, 255), kind
    codes = d.rng.integers(max(low, -high), high + 1, shape) if d.chance(0.8) else d.rng.choice([-high, high], shape)
    if d.chance(0.6):
        return codes, [d.scale(0.01, 2) for _ in range(channels)], 0, kind
    return codes, d.scale(0.01), 0, kind


def bias(d, net, dtype, scale_in, scale_w, channels, spread, operator):
    """None, or integers at scale S1*S2 that move the sums by about as much as the products do."""
    if d.chance(0.2) and operator in ("FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return None
    kind = "int32"
    if dtype == "int16":
        kind = d.of("int64", "int64", "int32") if operator != "DEPTHWISE_CONV_2D" else "int64"
    values = np.rint(d.rng.normal(0, spread, channels)).clip(-(2**31) + 1, 2**31 - 1).astype(np.int64)
    return net.tensor([channels], kind, np.float32(scale_in) * np.float32(scale_w), 0, values)


def layer(d, net, x, shape, axis, channels, taps, result, operator, make_options, order=None):
    """Adds a layer with weights; the output scale is chosen so that most sums stay within the codes."""
    codes, scale, zero, kind = weights(d, x.dtype, shape, channels, operator != "TRANSPOSE_CONV")
    w = net.tensor(shape, kind, scale, zero, codes, axis if np.size(scale) > 1 else 0)
    low, high = RANGES[x.dtype]
    deviation = np.sqrt(taps) * (high - low) / 4 * max(1.0, float(np.abs(codes.astype(np.int64) - zero).mean()))
    b = bias(d, net, x.dtype, x.scale, scale, channels, deviation, operator)
    if x.dtype == "int16" and operator != "DEPTHWISE_CONV_2D" and b is not None:
        # Kernels of 16-bit codes take a bias for int64 that does not say what it is.
        make_options.quantizedBiasType = TYPES[b.dtype] if b.dtype == "int32" or d.chance(0.5) else 0
    typical = deviation * x.scale * float(np.mean(scale))
    y_zero = d.zero(x.dtype)
    y = net.tensor(result, x.dtype, d.scale(4 * typical / (high - low), 2), y_zero)
    inputs = [x, w, b] if order is None else order(x, w, b)
    net.add(operator, inputs, [y], make_options, version=5 if x.dtype == "int16" and operator == "CONV_2D" else 1)
    return y


def convolution(d, net, x=None):
    x = x or net.input(d.image(), dtype := d.dtype(), *d.activation(dtype))
    n, h, w, c = x.shape
    kernel, stride = [d.int(1, min(4, h)), d.int(1, min(4, w))], [d.int(1, 3), d.int(1, 3)]
    dilation = [d.of(1, 1, 1, 2), d.of(1, 1, 1, 2)]
    if max(dilation) > 1:
        stride = [1, 1]
    padding = d.of("SAME", "VALID")
    if padding == "VALID":
        dilation = [k if (kernel[i] - 1) * k < (h, w)[i] else 1 for i, k in enumerate(dilation)]
    size = same if padding == "SAME" else valid
    groups = d.of(*[g for g in range(1, c + 1) if c % g == 0]) if d.chance(0.2) else 1
    channels = groups * d.int(1, 8 if groups == 1 else 3)
    result = [n, *(size(*a) for a in zip((h, w), kernel, stride, dilation)), channels]
    made = options(
        "Conv2D", padding=getattr(schema.Padding, padding), strideH=stride[0], strideW=stride[1],
        dilationHFactor=dilation[0], dilationWFactor=dilation[1], fusedActivationFunction=d.fused(),
    )
    shape = [channels, *kernel, c // groups]
    return layer(d, net, x, shape, 0, channels, np.prod(shape[1:]), result, "CONV_2D", made)


def depthwise(d, net, x=None):
    x = x or net.input(d.image(), dtype := d.dtype(), *d.activation(dtype))
    n, h, w, c = x.shape
    kernel, stride = [d.int(1, min(5, h)), d.int(1, min(5, w))], [d.int(1, 2)] * 2
    if d.chance(0.4) and min(h, w) >= 3:
        kernel = [3, 3]
    padding = d.of("SAME", "VALID")
    size = same if padding == "SAME" else valid
    multiplier = d.of(1, 1, 1, 2, 3, 8)
    result = [n, *(size(*a) for a in zip((h, w), kernel, stride)), c * multiplier]
    made = options(
        "DepthwiseConv2D", padding=getattr(schema.Padding, padding), strideH=stride[0], strideW=stride[1],
        depthMultiplier=multiplier, fusedActivationFunction=d.fused(),
    )
    shape = [1, *kernel, c * multiplier]
    return layer(d, net, x, shape, 3, c * multiplier, np.prod(kernel), result, "DEPTHWISE_CONV_2D", made)


def transposed(d, net, x=None):
    x = x or net.input(d.image(6, 6), dtype := d.dtype(), *d.activation(dtype))
    n, h, w, c = x.shape
    kernel, stride = [d.int(1, 4), d.int(1, 4)], [d.int(1, 3), d.int(1, 3)]
    padding = d.of("SAME", "VALID")
    channels = d.int(1, 6)
    if padding == "SAME":
        result = [n, h * stride[0], w * stride[1], channels]
    else:
        result = [n, *((s - 1) * t + max(k, t) for s, t, k in zip((h, w), stride, kernel)), channels]
    made = options("TransposeConv", padding=getattr(schema.Padding, padding), strideH=stride[0], strideW=stride[1])
    made.fusedActivationFunction = d.fused("NONE", "NONE", "RELU")
    shape = [channels, *kernel, c]
    if d.chance(0.5):
        sizes = net.integers(result)
    else:
        sizes = computed_sizes(net, x, result)
    order = lambda x, w, b: [sizes, w, x] + ([b] if b is not None else [])
    return layer(d, net, x, shape, 0, channels, np.prod(shape[1:]), result, "TRANSPOSE_CONV", made, order)


def computed_sizes(net, x, result):
    """The shape of a result as Keras' converter writes it: the batch is read from the input's shape."""
    shape = net.tensor([4], "int32")
    net.add("SHAPE", [x], [shape], options("Shape", outType=schema.TensorType.INT32))
    batch = net.tensor([], "int32")
    slices = [net.integers([v]) for v in (0, 1, 1)]
    net.add("STRIDED_SLICE", [shape, *slices], [batch], options("StridedSlice", shrinkAxisMask=1))
    sizes = net.tensor([4], "int32")
    rest = [net.tensor([], "int32", data=np.int32(size)) for size in result[1:]]
    net.add("PACK", [batch, *rest], [sizes], options("Pack", valuesCount=4, axis=0))
    return sizes


def linear(d, net, x=None):
    x = x or net.input([d.of(1, 1, 2, 5), d.int(1, 40)], dtype := d.dtype(), *d.activation(dtype))
    inputs, outputs = x.shape[-1], d.int(1, 20)
    # Without its axes, rows would take the place of images.
    result = [*x.shape[:-1], outputs]
    made = options("FullyConnected", fusedActivationFunction=d.fused(), keepNumDims=True)
    return layer(d, net, x, [outputs, inputs], 0, outputs, inputs, result, "FULLY_CONNECTED", made)


def pair(operator):
    """A sum, difference or product: same shapes, channels, or a constant."""

    def make(d, net, x=None):
        x = x or net.input(d.image(5, 9), dtype := d.dtype(), *d.activation(dtype))
        whole = [1, *x.shape[1:]]
        shape = d.of(whole, whole, [x.shape[-1]], [1] * len(x.shape), x.shape[1:] if len(x.shape) == 4 else x.shape)
        scale, zero = d.scale(x.scale, d.of(1, 3, 6)), d.zero(x.dtype)
        if d.chance(0.3):
            other = x
            scale, zero = x.scale, x.zero
        else:
            other = net.tensor(shape, x.dtype, scale, zero, d.codes(shape, x.dtype, zero))
        low, high = RANGES[x.dtype]
        if operator == "MUL":
            about = x.scale * scale * (high - low) / 4
        else:
            about = max(x.scale, scale)
        y = net.tensor(x.shape, x.dtype, d.scale(about, d.of(1, 3)), d.zero(x.dtype))
        inputs = [x, other] if d.chance(0.7) or operator == "SUB" and d.chance(0.5) else [other, x]
        made = options(operator.capitalize(), fusedActivationFunction=d.fused())
        if operator != "MUL":
            made.potScaleInt16 = d.chance(0.3)
        net.add(operator, inputs, [y], made)
        return y

    return make


def unary(operator, types, fixed=None, kind=None, **values):
    """An operator of one input; `fixed` gives scale and zero point of the result by type, where the kernel wants those."""

    def make(d, net, x=None):
        dtype = x.dtype if x else d.dtype(*types)
        scales = {"LOGISTIC": 0.04, "TANH": 0.02}
        about = scales.get(operator, 0.05) * (1 if dtype != "int16" else 2**-8)
        x = x or net.input([d.of(1, 3), d.int(1, 9), d.int(1, 9), d.int(1, 9)], dtype, *d.activation(dtype, about))
        if x.dtype not in types:
            raise Refused
        scale, zero = fixed[x.dtype] if fixed else (d.scale(x.scale, d.of(1, 3)), d.zero(x.dtype))
        if operator == "TANH" and x.dtype != "int16" and d.chance(0.3):
            scale, zero = d.scale(1 / 128, 2), d.zero(x.dtype)
        y = net.tensor(x.shape, x.dtype, scale, zero)
        drawn = {name: value(d) for name, value in values.items()}
        net.add(operator, [x], [y], options(kind, **drawn) if kind else None)
        return y

    return make


def requantize(d, net, x=None):
    dtype = x.dtype if x else d.dtype("int8", "uint8", "int16")
    x = x or net.input([d.of(1, 3), d.int(1, 60)], dtype, *d.activation(dtype))
    to = x.dtype if d.chance(0.6) else d.dtype("int8", "uint8", "int16")
    low, high = RANGES[x.dtype]
    span = (high - low) / (RANGES[to][1] - RANGES[to][0])
    y = net.tensor(x.shape, to, d.scale(x.scale * span, d.of(1, 4)), d.zero(to))
    net.add("QUANTIZE", [x], [y], options("Quantize"))
    return y


def quantize(d, net, x=None):
    x = net.input([d.of(1, 3), d.int(1, 60)], "float32")
    to = d.dtype("int8", "uint8", "int16")
    y = net.tensor(x.shape, to, *d.activation(to))
    net.add("QUANTIZE", [x], [y], options("Quantize"))
    net.reals_of = y
    return y


def softmax(d, net, x=None):
    dtype = x.dtype if x else d.dtype()
    x = x or net.input([d.of(1, 3), d.int(1, 5), d.of(d.int(1, 12), d.int(1, 300))], dtype, *d.activation(dtype, 0.1 if dtype != "int16" else 0.0005))
    to = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}[x.dtype]
    y = net.tensor(x.shape, x.dtype, *to)
    net.add("SOFTMAX", [x], [y], options("Softmax", beta=1.0))
    return y


def pool(operator):
    def make(d, net, x=None):
        x = x or net.input(d.image(), dtype := d.dtype(), *d.activation(dtype))
        n, h, w, c = x.shape
        kernel, stride = [d.int(1, h), d.int(1, w)], [d.int(1, 3), d.int(1, 3)]
        padding = d.of("SAME", "VALID")
        size = same if padding == "SAME" else valid
        y = net.tensor([n, *(size(*a) for a in zip((h, w), kernel, stride)), c], x.dtype, x.scale, x.zero)
        made = options(
            "Pool2D", padding=getattr(schema.Padding, padding), strideH=stride[0], strideW=stride[1],
            filterHeight=kernel[0], filterWidth=kernel[1], fusedActivationFunction=d.fused(),
        )
        net.add(operator, [x], [y], made)
        return y

    return make


def mean(d, net, x=None):
    x = x or net.input(d.image(d.of(4, 9, 20)), dtype := d.dtype(), *d.activation(dtype))
    axes = d.of([1, 2], [1, 2], [2, 1], [1], [2], [3], [1, 3], [1, 2, 3])
    keep = d.chance(0.5)
    shape = [1 if i in axes else s for i, s in enumerate(x.shape)] if keep else [s for i, s in enumerate(x.shape) if i not in axes]
    scale, zero = (x.scale, x.zero) if d.chance(0.3) else (d.scale(x.scale / 2, 2), d.zero(x.dtype))
    y = net.tensor(shape, x.dtype, scale, zero)
    net.add("MEAN", [x, net.integers(axes)], [y], options("Reducer", keepDims=keep))
    return y


def moved(d, net, x):
    """Any image of codes, for operators that only move them."""
    return x or net.input(d.image(6, 6), dtype := d.dtype(), *d.activation(dtype))


def alike(net, x, shape):
    return net.tensor(shape, x.dtype, x.scale, x.zero)


def concatenation(d, net, x=None):
    x = moved(d, net, x)
    axis = d.int(1, len(x.shape) - 1)
    count = d.of(2, 2, 3, 6)
    pieces = [x] * count
    shape = [s * count if i == axis else s for i, s in enumerate(x.shape)]
    y = alike(net, x, shape)
    if x.dtype != "int16" and d.chance(0.4):
        y = net.tensor(shape, x.dtype, d.scale(x.scale, 1), d.zero(x.dtype))
    net.add("CONCATENATION", pieces, [y], options("Concatenation", axis=d.of(axis, axis - len(x.shape))))
    return y


def pack(d, net, x=None):
    x = moved(d, net, x)
    y = alike(net, x, [*x.shape[:1], 2, *x.shape[1:]])
    net.add("PACK", [x, x], [y], options("Pack", valuesCount=2, axis=1))
    return y


def unpack(d, net, x=None):
    x = moved(d, net, x)
    axis = d.int(1, 3)
    shape = [s for i, s in enumerate(x.shape) if i != axis]
    ys = [alike(net, x, shape) for _ in range(x.shape[axis])]
    net.add("UNPACK", [x], ys, options("Unpack", num=x.shape[axis], axis=axis))
    return d.of(*ys)


def split(d, net, x=None):
    x = moved(d, net, x)
    axis = d.int(1, 3)
    count = d.of(*[c for c in range(1, x.shape[axis] + 1) if x.shape[axis] % c == 0])
    ys = [alike(net, x, [s // count if i == axis else s for i, s in enumerate(x.shape)]) for _ in range(count)]
    net.add("SPLIT", [net.tensor([], "int32", data=np.int32(axis)), x], ys, options("Split", numSplits=count))
    return d.of(*ys)


def split_v(d, net, x=None):
    x = moved(d, net, x)
    axis = d.int(1, 3)
    first = d.int(1, max(1, x.shape[axis] - 1))
    sizes = [first, x.shape[axis] - first] if x.shape[axis] > 1 else [1]
    ys = [alike(net, x, [size if i == axis else s for i, s in enumerate(x.shape)]) for size in sizes]
    inputs = [x, net.integers(sizes), net.tensor([], "int32", data=np.int32(axis))]
    net.add("SPLIT_V", inputs, ys, options("SplitV", numSplits=len(sizes)))
    return d.of(*ys)


def pad(d, net, x=None):
    x = moved(d, net, x)
    amounts = [[0, 0], *([d.int(0, 2), d.int(0, 2)] for _ in x.shape[1:])]
    y = alike(net, x, [s + sum(a) for s, a in zip(x.shape, amounts)])
    net.add("PAD", [x, net.integers(amounts)], [y], options("Pad"), version=2)
    return y


def pad_v2(d, net, x=None):
    x = moved(d, net, x)
    amounts = [[0, 0], *([d.int(0, 2), d.int(0, 2)] for _ in x.shape[1:])]
    y = alike(net, x, [s + sum(a) for s, a in zip(x.shape, amounts)])
    value = net.tensor([1], x.dtype, x.scale, x.zero, d.codes([1], x.dtype))
    net.add("PADV2", [x, net.integers(amounts), value], [y], options("PadV2"), version=2)
    return y


def reshape(d, net, x=None):
    x = moved(d, net, x)
    n, *rest = x.shape
    shape = d.of([n, int(np.prod(rest))], [n, rest[-1], *rest[:-1]], [n, int(np.prod(rest[:-1])), rest[-1]])
    y = alike(net, x, shape)
    net.add("RESHAPE", [x, net.integers(shape)], [y], options("Reshape", newShape=shape))
    return y


def expand_dims(d, net, x=None):
    x = moved(d, net, x)
    axis = d.int(1, len(x.shape))
    y = alike(net, x, [*x.shape[:axis], 1, *x.shape[axis:]])
    net.add("EXPAND_DIMS", [x, net.tensor([], "int32", data=np.int32(axis))], [y], options("ExpandDims"))
    return y


def squeeze(d, net, x=None):
    if x is None:
        n, h, _, c = d.image(6, 6)
        x = net.input([n, h, 1, c], dtype := d.dtype(), *d.activation(dtype))
    axes = [i for i, s in enumerate(x.shape) if s == 1 and i > 0]
    if not axes:
        raise Refused
    y = alike(net, x, [s for i, s in enumerate(x.shape) if i not in axes])
    net.add("SQUEEZE", [x], [y], options("Squeeze", squeezeDims=axes))
    return y


def transpose(d, net, x=None):
    x = moved(d, net, x)
    axes = [0, *(1 + d.rng.permutation(len(x.shape) - 1)).tolist()]
    y = alike(net, x, [x.shape[a] for a in axes])
    net.add("TRANSPOSE", [x, net.integers(axes)], [y], options("Transpose"))
    return y


def strided_slice(d, net, x=None):
    x = moved(d, net, x)
    begin, end, step, shape = [0], [x.shape[0]], [1], [x.shape[0]]
    for size in x.shape[1:]:
        b = d.int(0, size - 1)
        e = d.int(b + 1, size)
        s = d.of(1, 1, 2)
        begin, end, step, shape = begin + [b], end + [e], step + [s], shape + [-(-(e - b) // s)]
    y = alike(net, x, shape)
    net.add("STRIDED_SLICE", [x, *map(net.integers, (begin, end, step))], [y], options("StridedSlice"))
    return y


def resize_nearest(d, net, x=None):
    x = moved(d, net, x)
    factor = d.int(1, 3)
    size = [x.shape[1] * factor, x.shape[2] * d.int(1, 3)] if d.chance(0.6) else [d.int(1, 9), d.int(1, 9)]
    y = alike(net, x, [x.shape[0], *size, x.shape[3]])
    net.add("RESIZE_NEAREST_NEIGHBOR", [x, net.integers(size)], [y], options("ResizeNearestNeighbor"))
    return y


def svdf(d, net, x=None):
    batch, inputs, rank, units, memory = 1, d.int(1, 12), d.int(1, 3), d.int(1, 6), d.int(1, 6)
    filters = rank * units
    x = net.input([batch, inputs], "int8", *d.activation("int8"))
    kept = "int16"
    feature, time = d.scale(0.01, 2), d.scale(0.01, 2)
    state_scale = d.scale(x.scale * feature, 2)
    wf = net.tensor([filters, inputs], "int8", feature, 0, d.codes([filters, inputs], "int8"))
    wt = net.tensor([filters, memory], kept, time / 256, 0, d.codes([filters, memory], kept))
    values = np.rint(d.rng.normal(0, 2000, units))
    b = net.tensor([units], "int32", state_scale * wt.scale, 0, values)
    state = net.tensor([batch, memory * filters], kept, state_scale, 0, variable=True)
    y = net.tensor([batch, units], "int8", d.scale(state_scale * wt.scale * 2**21, 3), -128)
    fused = "RELU"
    made = options("SVDF", rank=rank, fusedActivationFunction=getattr(schema.ActivationFunctionType, fused))
    net.add("SVDF", [x, wf, wt, b, state], [y], made, version=3)
    return y


LUT8 = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}
TANH = {"int8": (1 / 128, 0), "uint8": (1 / 128, 128), "int16": (1 / 32768, 0)}
ALL = ("int8", "int8", "uint8", "int16")
NARROW = ("int8", "int8", "uint8")
MAKERS = {
    "ADD": pair("ADD"),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "CONCATENATION": concatenation,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "EXPAND_DIMS": expand_dims,
    "FULLY_CONNECTED": linear,
    "HARD_SWISH": unary("HARD_SWISH", NARROW, kind="HardSwish"),
    "LEAKY_RELU": unary("LEAKY_RELU", ALL, kind="LeakyRelu", alpha=lambda d: d.of(0.1, 0.2, 0.01, 0.5, float(d.rng.uniform(0, 1.5)))),
    "LOGISTIC": unary("LOGISTIC", ALL, LUT8),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": mean,
    "MUL": pair("MUL"),
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad_v2,
    "QUANTIZE": quantize,
    "QUANTIZE of codes": requantize,
    "RELU": unary("RELU", NARROW),
    "RELU6": unary("RELU6", NARROW),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1", NARROW),
    "RESHAPE": reshape,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
    "SOFTMAX": softmax,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": squeeze,
    "STRIDED_SLICE": strided_slice,
    "SUB": pair("SUB"),
    "SVDF": svdf,
    "TANH": unary("TANH", ALL, TANH),
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transposed,
    "UNPACK": unpack,
}
OPERATORS = [*MAKERS, "network"]


def network(d, net):
    """Two to five operators, one after the other."""
    x = net.input(d.image(8, 8), dtype := d.dtype("int8", "int8", "uint8", "int16"), *d.activation(dtype))
    names = [name for name in MAKERS if name not in ("QUANTIZE", "SVDF", "SQUEEZE", "UNPACK", "EXPAND_DIMS", "PACK")]
    drawn = []
    for _ in range(d.int(2, 5)):
        name = d.of(*names)
        wants_image = name not in ("FULLY_CONNECTED", "QUANTIZE of codes", "SOFTMAX")
        if wants_image and len(x.shape) != 4 or name == "MEAN" and d.chance(0.7):
            continue
        try:
            x = MAKERS[name](d, net, x)
        except Refused:
            continue
        drawn.append(name)
    if not drawn:
        raise Refused
    return x, drawn


def runner(content, engine):
    """The engine's codes for inputs whose first axis is as many batches of the file as one likes."""
    try:
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=RESOLVERS[engine], num_threads=1)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise Refused(str(error)) from error
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    batch = int(source["shape"][0])

    def run(array):
        results = []
        # A file's batch may be larger than what is asked for: the rest is filled up and dropped.
        missing = -len(array) % batch
        whole = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
        for start in range(0, len(whole), batch):
            interpreter.set_tensor(source["index"], whole[start : start + batch])
            interpreter.invoke()
            results.append(interpreter.get_tensor(target["index"]))
        return np.concatenate(results)[: len(array)]

    return run, batch


def inputs(d, net, x, images):
    shape = [images, *x.shape[1:]]
    if x.dtype != "float32":
        return d.codes(shape, x.dtype, x.zero)
    y = net.reals_of
    low, high = RANGES[y.dtype]
    steps = d.rng.integers(low - y.zero - 3, high - y.zero + 4, shape) + d.of(0.0, 0.5, 0.25)
    noise = d.rng.normal(0, 1e-6, shape) if d.chance(0.5) else 0
    return ((steps + noise) * np.float32(y.scale)).astype(np.float32)


def case(d, operator):
    net = Net()
    drawn = []
    made = network(d, net) if operator == "network" else (MAKERS[operator](d, net), [operator])
    y, drawn = made
    net.outputs(y)
    x = net.graph.tensors[net.graph.inputs[0]]
    dtype = next(name for name, number in TYPES.items() if number == x.type)
    quantization = x.quantization
    source = Tensor(net.graph.inputs[0], x.shape, dtype, quantization and quantization.scale[0], quantization and quantization.zeroPoint[0])
    content = net.bytes()
    engine = d.of(*RESOLVERS)
    run, batch = runner(content, engine)
    size = max(1, int(np.prod(y.shape[1:])))
    images = batch * max(1, min(CODES // (batch * size), 400))
    array = inputs(d, net, source, images)
    kinds = " ".join(t_kind(t) for t in net.graph.tensors)
    text = f"{' '.join(drawn)}; tensors (type shape scale zero): {kinds}"
    again = None if "SVDF" in drawn else run
    return Case(operator, engine, engine, {"model.tflite": content}, "model.tflite", array, run(array), text[:2000], again)


def t_kind(t):
    name = next(name for name, number in TYPES.items() if number == t.type)
    q = t.quantization
    numbers = "" if q is None else f" {q.scale[0]!r}{'..' if len(q.scale) > 1 else ''} {q.zeroPoint[0]}"
    return f"({name} {list(t.shape)}{numbers})"


def cases(operators, rng):
    """Endless: the operators in turn, each with another file every time."""
    d = Draw(rng)
    while True:
        for operator in operators:
            for _ in range(20):
                try:
                    yield case(d, operator)
                    break
                except Refused:
                    continue
