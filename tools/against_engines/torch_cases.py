"""Random quantized operators and small networks in PyTorch, traced, with the codes of its engines."""

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.ao.nn.intrinsic.quantized as fused
import torch.ao.nn.quantized as quantized
import torch.nn.functional as F
from torch import Tensor, nn

from case import Case

ENGINE = "torch"
LIBRARY = f"PyTorch {torch.__version__.split('+')[0]}"
ENGINES = ("fbgemm", "x86", "onednn", "qnnpack")

# More threads split a tensor into more runs, each with a tail of its own; one thread is what a run is reproduced with.
torch.set_num_threads(1)
warnings.filterwarnings("ignore")


class Unsuitable(Exception):
    """The engine, or PyTorch, does not compute what was drawn."""


class Draw:
    """Random choices, all from one generator."""

    def __init__(self, rng: np.random.Generator, engine: str, dtype: torch.dtype):
        self.rng, self.engine, self.dtype = rng, engine, dtype

    def integer(self, low: int, high: int) -> int:
        """low..=high."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, *values):
        return values[self.integer(0, len(values) - 1)]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def real(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def codes(self) -> tuple[int, int]:
        return (0, 255) if self.dtype == torch.quint8 else (-128, 127)

    def zero_point(self) -> int:
        low, high = self.codes()
        return self.one_of(low, high, (low + high + 1) // 2, self.integer(low, high), self.integer(low, high))

    def scale(self) -> float:
        """Ordinary, a power of two (where ties are frequent), or extreme; float32 and not."""
        kind = self.integer(0, 9)
        if kind < 4:
            return float(np.float32(np.exp(self.real(np.log(1e-3), np.log(0.5)))))
        if kind < 6:
            return float(np.exp(self.real(np.log(1e-3), np.log(0.5))))
        if kind < 9:
            return 2.0 ** self.integer(-9, 0) * self.one_of(1, 1, 3, 5)
        return float(np.float32(np.exp(self.real(np.log(1e-6), np.log(1e3)))))

    def output(self, reals: Tensor) -> tuple[float, int]:
        """Scale and zero point for results such as these: fitting, saturating at both ends, too coarse, or full of ties."""
        finite = reals[torch.isfinite(reals)] if reals.numel() else reals
        low, high = (min(float(finite.min()), 0.0), max(float(finite.max()), 0.0)) if finite.numel() else (0.0, 1.0)
        fitting = max(high - low, 1e-12) / 255
        kind = self.integer(0, 9)
        scale = fitting * self.real(0.7, 1.3)
        if kind >= 8:
            scale = fitting * self.one_of(0.02, 0.2, 5.0, 40.0)
        if kind in (5, 6, 7):
            scale = 2.0 ** round(np.log2(fitting)) * self.one_of(1, 1, 0.5, 1.5)
        if self.chance(0.7):
            scale = float(np.float32(scale))
        bottom, top = self.codes()
        fits = int(np.clip(round(bottom - low / scale), bottom, top))
        return scale, fits if self.chance(0.6) else self.zero_point()

    def reals(self, shape: tuple[int, ...], scale: float, zero_point: int) -> np.ndarray:
        """What quantizes to every code, both ends often; or reals, some halfway between two codes, some out of range."""
        low, high = self.codes()
        if self.chance(0.7):
            codes = self.rng.integers(low, high + 1, shape)
            if self.chance(0.4):
                ends = self.rng.random(shape)
                codes = np.where(ends < 0.2, low, np.where(ends > 0.8, high, codes))
            elif self.chance(0.3):
                codes = np.clip(np.rint(zero_point + 8 * self.rng.standard_normal(shape)), low, high)
            if self.engine == "fbgemm" and self.dtype == torch.quint8 and self.chance(0.3):
                codes = codes // 2
            return ((codes - zero_point) * scale).astype(np.float32)
        reals = (self.rng.uniform(low - 20, high + 20, shape) - zero_point) * scale
        halves = (self.rng.integers(low, high, shape) + 0.5 - zero_point) * scale
        return np.where(self.rng.random(shape) < 0.3, halves, reals).astype(np.float32)


class Apply(nn.Module):
    """A function of a quantized tensor as a step of a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Network(nn.Module):
    """Quantizes, takes its steps, dequantizes."""

    def __init__(self, scale: float, zero_point: int, dtype: torch.dtype, steps: list[nn.Module]):
        super().__init__()
        self.scale, self.zero_point, self.dtype = scale, zero_point, dtype
        self.steps = nn.ModuleList(steps)

    def codes(self, x: Tensor) -> Tensor:
        x = torch.quantize_per_tensor(x, self.scale, self.zero_point, self.dtype)
        for step in self.steps:
            x = step(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.codes(x).dequantize()


# A builder draws a step for a quantized tensor that is there to look at.
Builder = Callable[[Draw, Tensor], nn.Module]


def out_scale(draw: Draw, module: nn.Module, reals: Tensor) -> nn.Module:
    module.scale, module.zero_point = draw.output(reals)
    return module


def quantized_weight(draw: Draw, shape: tuple[int, ...], axis: int, per_tensor: bool) -> Tensor:
    """Codes of all sizes, both ends among them; scales per tensor or per channel, with zero points where that is allowed."""
    extreme = draw.chance(0.3)
    codes = draw.rng.integers(-128, 128, shape) if extreme else np.rint(40 * draw.rng.standard_normal(shape)).clip(-128, 127)
    codes = torch.from_numpy(np.asarray(codes, np.int64)).to(torch.int8)
    if per_tensor:
        return torch._make_per_tensor_quantized_tensor(codes, draw.scale(), 0)
    base = draw.scale()
    scales = torch.tensor([base * draw.real(0.2, 2.0) for _ in range(shape[axis])], dtype=torch.float64)
    return torch._make_per_channel_quantized_tensor(codes, scales, torch.zeros(shape[axis], dtype=torch.int64), axis)


def bias_for(draw: Draw, channels: int, reals: Tensor) -> Tensor | None:
    if draw.chance(0.25):
        return None
    size = float(reals.abs().mean()) if reals.numel() else 1.0
    return torch.from_numpy((size * draw.rng.standard_normal(channels)).astype(np.float32))


CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
PLAIN = {1: quantized.Conv1d, 2: quantized.Conv2d, 3: quantized.Conv3d}
WITH_RELU = {1: fused.ConvReLU1d, 2: fused.ConvReLU2d, 3: fused.ConvReLU3d}
PLAIN_TRANSPOSED = {1: quantized.ConvTranspose1d, 2: quantized.ConvTranspose2d, 3: quantized.ConvTranspose3d}


def convolution(rank: int, relu: bool) -> Builder:
    def build(draw: Draw, q: Tensor) -> nn.Module:
        channels = q.shape[1]
        kind = draw.one_of("plain", "plain", "pointwise", "depthwise", "grouped")
        groups = {"depthwise": channels}.get(kind, 1)
        if kind == "grouped":
            groups = draw.one_of(*(g for g in range(1, channels + 1) if channels % g == 0))
        outputs = groups * draw.integer(1, 2) if kind == "depthwise" else groups * draw.integer(1, max(1, 12 // groups))
        kernel = tuple(1 if kind == "pointwise" else draw.integer(1, min(5 if rank < 3 else 3, s)) for s in q.shape[2:])
        if kind == "depthwise" and rank == 2 and draw.chance(0.6):
            kernel = draw.one_of((3, 3), (5, 5))
        stride = tuple(draw.integer(1, 2) for _ in kernel)
        dilation = tuple(1 if draw.chance(0.75) else 2 for _ in kernel)
        padding = tuple(draw.integer(0, min(k // 2 + 1, k - 1)) if draw.chance(0.6) else 0 for k in kernel)
        if any(s + 2 * p < d * (k - 1) + 1 for s, p, d, k in zip(q.shape[2:], padding, dilation, kernel)):
            raise Unsuitable("a window larger than the input")
        width = (q.shape[-1] + 2 * padding[-1] - dilation[-1] * (kernel[-1] - 1) - 1) // stride[-1] + 1
        if draw.engine in ("x86", "onednn") and width == 1 and stride[-1] > 1:
            # oneDNN reads and writes beyond its memory: arbitrary codes, or the process ends.
            raise Unsuitable("what oneDNN does not survive")
        weight = quantized_weight(draw, (outputs, channels // groups, *kernel), 0, draw.chance(0.4))
        geometry = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        reals = CONVOLUTION[rank](q.dequantize(), weight.dequantize(), None, **geometry)
        bias = bias_for(draw, outputs, reals)
        module = (WITH_RELU if relu else PLAIN)[rank](channels, outputs, kernel, bias=bias is not None, **geometry)
        module.set_weight_bias(weight, bias)
        return out_scale(draw, module, reals)

    return build


def transposed_convolution(rank: int) -> Builder:
    def build(draw: Draw, q: Tensor) -> nn.Module:
        channels = q.shape[1]
        # Other than as many channels out as in oneDNN gets wrong, which gen_params warns of.
        equal = 0.9 if draw.engine in ("x86", "onednn") else 0.5
        outputs = channels if draw.chance(equal) else draw.integer(1, 8)
        groups = draw.one_of(1, 1, 1, *(g for g in range(1, channels + 1) if channels % g == outputs % g == 0))
        kernel = tuple(draw.integer(1, 4 if rank < 3 else 2) for _ in range(rank))
        stride = tuple(draw.integer(1, 3) for _ in kernel)
        dilation = tuple(1 if draw.chance(0.8) else 2 for _ in kernel)
        padding = tuple(draw.integer(0, min(k - 1, 2)) for k in kernel)
        extra = tuple(draw.integer(0, max(s, d) - 1) if draw.chance(0.5) else 0 for s, d in zip(stride, dilation))
        if draw.chance(0.6):
            extra = (0,) * rank
        geometry = dict(stride=stride, padding=padding, output_padding=extra, dilation=dilation, groups=groups)
        weight = quantized_weight(draw, (channels, outputs // groups, *kernel), 1, True)
        reals = TRANSPOSED[rank](q.dequantize(), weight.dequantize(), None, **geometry)
        if not reals.numel():
            raise Unsuitable("nothing is left")
        bias = bias_for(draw, outputs, reals)
        module = PLAIN_TRANSPOSED[rank](channels, outputs, kernel, bias=bias is not None, **geometry)
        module.set_weight_bias(weight, bias)
        return out_scale(draw, module, reals)

    return build


def linear(relu: bool) -> Builder:
    def build(draw: Draw, q: Tensor) -> nn.Module:
        inputs, outputs = q.shape[-1], draw.integer(1, 40)
        weight = quantized_weight(draw, (outputs, inputs), 0, draw.chance(0.5))
        reals = F.linear(q.dequantize(), weight.dequantize())
        bias = bias_for(draw, outputs, reals)
        module = (fused.LinearReLU if relu else quantized.Linear)(inputs, outputs, bias is not None)
        module.set_weight_bias(weight, bias)
        return out_scale(draw, module, reals)

    return build


def operands(draw: Draw, q: Tensor) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Two tensors out of one: itself, slices of its channels as they are or requantized, one of them broadcast."""
    kind = draw.one_of("itself", "slices", "slices", "requantized", "requantized", "requantized", "broadcast")
    half = q.shape[1] // 2
    if kind == "itself" or half == 0:
        return lambda x: (x, x)
    if kind == "slices":
        return lambda x: (x[:, :half], x[:, half : 2 * half])
    one, two = (requantizer(draw, q) for _ in range(2))
    if kind == "requantized":
        return lambda x: (one(x[:, :half]), two(x[:, half : 2 * half]))
    if q.dim() < 4:
        return lambda x: (one(x), two(x[:, :1]))
    return lambda x: (one(x), F.adaptive_avg_pool2d(two(x), 1))


def requantizer(draw: Draw, q: Tensor) -> Callable[[Tensor], Tensor]:
    slope = draw.one_of(1.0, 0.5, 0.01)
    scale, zero_point = draw.output(F.leaky_relu(q.dequantize(), slope))
    return lambda x: torch.ops.quantized.leaky_relu(x, slope, False, scale, zero_point)


def binary(name: str, real: Callable[[Tensor, Tensor], Tensor]) -> Builder:
    operator = getattr(torch.ops.quantized, name)

    def build(draw: Draw, q: Tensor) -> nn.Module:
        both = operands(draw, q)
        scale, zero_point = draw.output(real(*(x.dequantize() for x in both(q))))
        return Apply(lambda x: operator(*both(x), scale, zero_point))

    return build


def matmul(draw: Draw, q: Tensor) -> nn.Module:
    both = operands(draw, q)
    first, second = both(q)
    if first.dim() < 3 or first.shape[0] != second.shape[0] or first.dim() != second.dim():
        raise Unsuitable("no matrices")
    if first.shape[-1] != second.shape[-2]:
        scale, zero_point = draw.output(first.dequantize() @ second.dequantize().transpose(-2, -1))
        return Apply(lambda x: torch.ops.quantized.matmul(both(x)[0], both(x)[1].transpose(-2, -1), scale, zero_point))
    scale, zero_point = draw.output(first.dequantize() @ second.dequantize())
    return Apply(lambda x: torch.ops.quantized.matmul(*both(x), scale, zero_point))


def quantized_cat(draw: Draw, q: Tensor) -> nn.Module:
    both = operands(draw, q)
    pieces = both(q)
    axis = 1 if pieces[0].shape != pieces[1].shape else draw.integer(0 if q.dim() < 4 else 1, q.dim() - 1)
    reals = torch.cat([x.dequantize() for x in pieces], axis) if _equal_but(axis, *pieces) else None
    if reals is None or axis == 0:
        raise Unsuitable("sizes that differ")
    scale, zero_point = draw.output(reals)
    if draw.chance(0.3):
        return Apply(lambda x: torch.ops.quantized.cat([*both(x), both(x)[0]], axis, scale, zero_point))
    return Apply(lambda x: torch.ops.quantized.cat(list(both(x)), axis, scale, zero_point))


def _equal_but(axis: int, a: Tensor, b: Tensor) -> bool:
    return a.dim() == b.dim() and all(i == axis or x == y for i, (x, y) in enumerate(zip(a.shape, b.shape)))


def cat(draw: Draw, q: Tensor) -> nn.Module:
    axis = draw.integer(1, q.dim() - 1)
    return Apply(lambda x: torch.cat([x, F.relu(x)], axis))


def batch_norm(name: str) -> Builder:
    operator = getattr(torch.ops.quantized, name)

    def build(draw: Draw, q: Tensor) -> nn.Module:
        channels = q.shape[1]
        weight, bias, mean = (torch.from_numpy(draw.rng.standard_normal(channels).astype(np.float32)) for _ in range(3))
        variance = torch.from_numpy(draw.rng.uniform(0.01, 4, channels).astype(np.float32))
        scale, zero_point = draw.output(F.batch_norm(q.dequantize(), mean, variance, weight, bias, False, 0.1, 1e-5))
        module = Apply(lambda x: operator(x, module.weight, module.bias, module.mean, module.variance, 1e-5, scale, zero_point))
        for key, value in dict(weight=weight, bias=bias, mean=mean, variance=variance).items():
            module.register_buffer(key, value)
        return module

    return build


def layer_norm(draw: Draw, q: Tensor) -> nn.Module:
    axes = draw.integer(1, min(2, q.dim() - 1))
    shape = list(q.shape[-axes:])
    weight, bias = (torch.from_numpy(draw.rng.standard_normal(shape).astype(np.float32)) for _ in range(2))
    scale, zero_point = draw.output(F.layer_norm(q.dequantize(), shape, weight, bias))
    module = Apply(lambda x: torch.ops.quantized.layer_norm(x, shape, module.weight, module.bias, 1e-5, scale, zero_point))
    module.register_buffer("weight", weight)
    module.register_buffer("bias", bias)
    return module


def scaled(make: Callable[[Draw, Tensor], tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]]) -> Builder:
    """A function of each element that is given its result's scale: `make` gives the real function and the quantized one."""

    def build(draw: Draw, q: Tensor) -> nn.Module:
        real, operator = make(draw, q)
        scale, zero_point = draw.output(real(q.dequantize()))
        return Apply(lambda x: operator(x, scale, zero_point))

    return build


def leaky(draw: Draw, q: Tensor):
    slope = draw.one_of(0.01, 0.1, 0.2, draw.real(0, 1))
    return lambda x: F.leaky_relu(x, slope), lambda x, s, z: torch.ops.quantized.leaky_relu(x, slope, False, s, z)


def elu(draw: Draw, q: Tensor):
    alpha = draw.one_of(1.0, draw.real(0.2, 2))
    return lambda x: F.elu(x, alpha), lambda x, s, z: torch.ops.quantized.elu(x, s, z, alpha)


def softmax(draw: Draw, q: Tensor):
    axis = draw.integer(1, q.dim() - 1)
    return lambda x: F.softmax(x, axis), lambda x, s, z: torch.ops.quantized.softmax(x, axis, s, z)


def plain(*functions: Callable[[Tensor], Tensor]) -> Builder:
    """A function whose result's scale is the input's or its own rule."""
    return lambda draw, q: Apply(draw.one_of(*functions))


def hardtanh(draw: Draw, q: Tensor) -> nn.Module:
    low, high = sorted(float(np.float32(v)) for v in draw.rng.choice(q.dequantize().flatten().numpy(), 2))
    if not low < high:
        low, high = -1.0, 1.0
    return Apply(lambda x: F.hardtanh(x, low, high))


def clamp(draw: Draw, q: Tensor) -> nn.Module:
    low, high = sorted(draw.real(float(q.dequantize().min()), float(q.dequantize().max())) for _ in range(2))
    return Apply(lambda x: torch.clamp(x, low, high))


def pool_window(draw: Draw, q: Tensor, rank: int) -> dict:
    kernel = tuple(draw.integer(1, min(7 if rank < 3 else 3, s)) for s in q.shape[2:])
    if draw.chance(0.3):
        kernel = (min(kernel),) * rank
    stride = tuple(draw.integer(1, 3) for _ in kernel)
    padding = tuple(draw.integer(0, k // 2) if draw.chance(0.5) else 0 for k in kernel)
    return dict(kernel_size=kernel, stride=stride, padding=padding, ceil_mode=draw.chance(0.3))


def max_pool(rank: int) -> Builder:
    function = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[rank]

    def build(draw: Draw, q: Tensor) -> nn.Module:
        window = pool_window(draw, q, rank)
        return Apply(lambda x: function(x, **window))

    return build


def avg_pool(rank: int) -> Builder:
    function = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[rank]

    def build(draw: Draw, q: Tensor) -> nn.Module:
        window = pool_window(draw, q, rank)
        if draw.chance(0.3):
            window["count_include_pad"] = False
        if rank > 1 and draw.chance(0.15):
            window["divisor_override"] = draw.integer(1, 30)
        return Apply(lambda x: function(x, **window))

    return build


def adaptive_pool(rank: int) -> Builder:
    function = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[rank]

    def build(draw: Draw, q: Tensor) -> nn.Module:
        size = tuple(1 if draw.chance(0.4) else draw.integer(1, s) for s in q.shape[2:])
        if draw.chance(0.3):
            size = (1,) * rank
        return Apply(lambda x: function(x, size))

    return build


def mean(draw: Draw, q: Tensor) -> nn.Module:
    axes = [2, 3] if q.dim() == 4 and draw.chance(0.6) else sorted(draw.rng.choice(np.arange(1, q.dim()), draw.integer(1, q.dim() - 1), False).tolist())
    keep = draw.chance(0.5)
    return Apply(lambda x: torch.mean(x, axes, keep))


def upsample(rank: int) -> Builder:
    def build(draw: Draw, q: Tensor) -> nn.Module:
        if draw.chance(0.5):
            factors = [draw.one_of(2.0, 3.0, 1.5, 2.7)] * rank
            return Apply(lambda x: F.interpolate(x, scale_factor=factors, mode="nearest"))
        size = [draw.integer(1, 2 * s) for s in q.shape[2:]]
        return Apply(lambda x: F.interpolate(x, size=size, mode="nearest"))

    return build


def pad(draw: Draw, q: Tensor) -> nn.Module:
    amounts = [draw.integer(0, 2) for _ in range(2 * (q.dim() - 2))]
    mode = draw.one_of("constant", "reflect", "replicate") if q.dim() == 4 else "constant"
    return Apply(lambda x: F.pad(x, amounts, mode=mode))


def channel_shuffle(draw: Draw, q: Tensor) -> nn.Module:
    groups = draw.one_of(*(g for g in range(1, q.shape[1] + 1) if q.shape[1] % g == 0))
    return Apply(lambda x: torch.channel_shuffle(x, groups))


def slice_(draw: Draw, q: Tensor) -> nn.Module:
    axis = draw.integer(1, q.dim() - 1)
    start = draw.integer(0, q.shape[axis] - 1)
    step = draw.one_of(1, 1, 2)
    index = (slice(None),) * axis + (slice(start, draw.integer(start + 1, q.shape[axis]), step),)
    return Apply(lambda x: x[index])


def chunk(draw: Draw, q: Tensor) -> nn.Module:
    axis = draw.integer(1, q.dim() - 1)
    parts = draw.integer(1, min(4, q.shape[axis]))
    if len(torch.chunk(q, parts, axis)) < 2:
        raise Unsuitable("one part")
    return Apply(lambda x: torch.chunk(x, parts, axis)[1])


def permute(draw: Draw, q: Tensor) -> nn.Module:
    order = [0, *(1 + draw.rng.permutation(q.dim() - 1)).tolist()]
    return Apply(lambda x: x.permute(order))


def transpose(draw: Draw, q: Tensor) -> nn.Module:
    a, b = 1 + draw.rng.permutation(q.dim() - 1)[:2]
    a, b = int(a), int(b)
    return Apply(lambda x: x.transpose(a, b))


def reshape(draw: Draw, q: Tensor) -> nn.Module:
    last = q.shape[-1]
    return Apply(lambda x: x.reshape(x.shape[0], -1, last))


def quantize(draw: Draw, q: Tensor) -> nn.Module:
    return Apply(lambda x: x)


def as_channels_last(draw: Draw, q: Tensor) -> nn.Module:
    memory_format = {4: torch.channels_last, 5: torch.channels_last_3d}[q.dim()]
    return Apply(lambda x: x.contiguous(memory_format=memory_format))


def as_contiguous(draw: Draw, q: Tensor) -> nn.Module:
    return Apply(lambda x: x.contiguous())


ANY = (2, 3, 4)
# For each row of the table: what builds it, and the numbers of axes that it takes, batch and channels among them.
BUILDERS: dict[str, tuple[Builder, tuple[int, ...]]] = {
    "quantize_per_tensor": (quantize, ANY),
    **{f"quantized.conv{r}d": (convolution(r, False), (r + 2,)) for r in (1, 2, 3)},
    **{f"quantized.conv{r}d_relu": (convolution(r, True), (r + 2,)) for r in (1, 2, 3)},
    **{f"quantized.conv_transpose{r}d": (transposed_convolution(r), (r + 2,)) for r in (1, 2, 3)},
    "quantized.linear": (linear(False), (2, 3)),
    "quantized.linear_relu": (linear(True), (2, 3)),
    "quantized.add": (binary("add", torch.add), ANY),
    "quantized.add_relu": (binary("add_relu", lambda a, b: F.relu(a + b)), ANY),
    "quantized.mul": (binary("mul", torch.mul), ANY),
    "quantized.mul_relu": (binary("mul_relu", lambda a, b: F.relu(a * b)), ANY),
    "quantized.matmul": (matmul, (3, 4)),
    "quantized.cat": (quantized_cat, ANY),
    "cat": (cat, ANY),
    "quantized.batch_norm1d": (batch_norm("batch_norm1d"), (2, 3)),
    "quantized.batch_norm1d_relu": (batch_norm("batch_norm1d_relu"), (2, 3)),
    "quantized.batch_norm2d": (batch_norm("batch_norm2d"), (4,)),
    "quantized.batch_norm2d_relu": (batch_norm("batch_norm2d_relu"), (4,)),
    "quantized.batch_norm3d": (batch_norm("batch_norm3d"), (5,)),
    "quantized.batch_norm3d_relu": (batch_norm("batch_norm3d_relu"), (5,)),
    "quantized.layer_norm": (layer_norm, ANY),
    "quantized.leaky_relu": (scaled(leaky), ANY),
    "quantized.elu": (scaled(elu), ANY),
    "quantized.hardswish": (scaled(lambda d, q: (F.hardswish, torch.ops.quantized.hardswish)), ANY),
    "quantized.sigmoid": (scaled(lambda d, q: (torch.sigmoid, torch.ops.quantized.sigmoid)), ANY),
    "quantized.softmax": (scaled(softmax), ANY),
    "sigmoid": (plain(torch.sigmoid), ANY),
    "tanh": (plain(torch.tanh), ANY),
    "hardsigmoid": (plain(F.hardsigmoid), ANY),
    "gelu": (plain(F.gelu), ANY),
    "leaky_relu": (plain(F.leaky_relu, lambda x: F.leaky_relu(x, 0.2)), ANY),
    "relu": (plain(torch.relu, F.relu), ANY),
    "relu6": (plain(F.relu6), ANY),
    "hardtanh": (hardtanh, ANY),
    "clamp": (clamp, ANY),
    **{f"max_pool{r}d": (max_pool(r), (r + 2,)) for r in (1, 2, 3)},
    **{f"avg_pool{r}d": (avg_pool(r), (r + 2,)) for r in (1, 2, 3)},
    **{f"adaptive_avg_pool{r}d": (adaptive_pool(r), (r + 2,)) for r in (1, 2, 3)},
    "mean": (mean, (3, 4)),
    **{f"upsample_nearest{r}d": (upsample(r), (r + 2,)) for r in (2, 3)},
    "pad": (pad, (3, 4)),
    "channel_shuffle": (channel_shuffle, (4,)),
    "slice": (slice_, ANY),
    "chunk": (chunk, ANY),
    "permute": (permute, (3, 4)),
    "transpose": (transpose, (3, 4)),
    "reshape": (reshape, (3, 4)),
    "flatten": (plain(lambda x: x.flatten(1), lambda x: torch.flatten(x, 1, 2)), (3, 4)),
    "squeeze": (plain(lambda x: x[:, :1].squeeze(1)), (3, 4)),
    "unsqueeze": (plain(lambda x: x.unsqueeze(1), lambda x: x.unsqueeze(-1)), (2, 3)),
    "contiguous": (plain(lambda x: x.contiguous()), ANY),
}
NETWORK = "small network"
OPERATORS = [*BUILDERS, NETWORK]

# A file with nothing else than these has no integers to write, which gen_params says: a ReLU goes before them.
ALONE_NO_NETWORK = {"quantize_per_tensor", "quantized.layer_norm", "quantized.softmax", "contiguous"}

# What a small network is made of: steps that take and give images.
STEPS = [
    "quantized.conv2d", "quantized.conv2d_relu", "quantized.conv_transpose2d", "quantized.add", "quantized.add_relu",
    "quantized.mul", "quantized.cat", "cat", "quantized.batch_norm2d", "quantized.leaky_relu", "quantized.hardswish",
    "sigmoid", "relu", "relu6", "hardtanh", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "upsample_nearest2d",
    "pad", "channel_shuffle", "slice", "chunk", "permute", "contiguous",
]  # fmt: skip
LAST = ["mean", "flatten", "reshape", "quantized.softmax", "quantized.matmul", "quantized.layer_norm"]


def shape_for(draw: Draw, axes: int, shrinks: bool) -> tuple[int, ...]:
    """Batch of one or more, odd sizes, about as many elements as make a run worth its start."""
    target = draw.one_of(2_000, 20_000, 100_000) * (3 if shrinks else 1)
    channels = draw.one_of(1, 2, 3, 4, 6, 8, 9, 16, 17, 32, 33, 64) if axes > 2 else draw.integer(1, 200)
    largest = {2: 0, 3: 80, 4: 25, 5: 9}[axes]
    sizes = [draw.integer(1 if draw.chance(0.2) else 3, largest) for _ in range(axes - 2)]
    image = channels * int(np.prod(sizes))
    batch = 1 if draw.chance(0.1 if shrinks else 0.3) else int(np.clip(target // max(image, 1), 1, 4096))
    return (batch, channels, *sizes)


def network(draw: Draw, operator: str) -> tuple[Network, np.ndarray, list[str]]:
    """The network, its input, and the names of its steps."""
    axes = 4 if operator == NETWORK else draw.one_of(*BUILDERS[operator][1])
    shape = shape_for(draw, axes, "pool" in operator or operator == "mean")
    if operator == NETWORK:
        shape = (draw.integer(1, 8), *shape[1:])
    scale, zero_point = draw.scale(), draw.zero_point()
    array = draw.reals(shape, scale, zero_point)
    net = Network(scale, zero_point, draw.dtype, [])
    q = net.codes(torch.from_numpy(array))
    names = []

    def append(name: str, builder: Builder) -> bool:
        nonlocal q
        step = builder(draw, q)
        result = step(q)
        if not result.is_quantized or result.numel() == 0 or result.numel() > 400_000:
            raise Unsuitable("a result that is not worth comparing")
        net.steps.append(step)
        names.append(name)
        q = result
        return True

    if axes in (4, 5) and draw.chance(0.5):
        if draw.chance(0.5) and not (axes == 5 and draw.engine == "qnnpack"):
            append(f"quantized.conv{axes - 2}d", convolution(axes - 2, False))
        else:
            append("channels_last", as_channels_last)
        if draw.chance(0.1):
            append("contiguous", as_contiguous)
    if axes == 4 and operator != NETWORK and draw.chance(0.25):
        # Codes that lie in memory as neither of the two orders has them.
        append(*draw.one_of(("slice", slice_), ("transpose", transpose), ("permute", permute)))
    if operator in ALONE_NO_NETWORK:
        append("relu", plain(torch.relu))
    if operator != NETWORK:
        append(operator, BUILDERS[operator][0])
        return net, array, names
    for _ in range(draw.integer(2, 6)):
        name = draw.one_of(*STEPS)
        try:
            append(name, BUILDERS[name][0])
        except (RuntimeError, Unsuitable, ValueError, IndexError):
            continue
    if draw.chance(0.4):
        name = draw.one_of(*LAST)
        try:
            append(name, BUILDERS[name][0])
        except (RuntimeError, Unsuitable, ValueError, IndexError):
            pass
    if len(names) < 2:
        raise Unsuitable("too short")
    return net, array, names


def one(rng: np.random.Generator, operator: str, engine: str) -> Case:
    signed = rng.random() < (0.25 if engine == "qnnpack" else 0.15)
    draw = Draw(rng, engine, torch.qint8 if signed else torch.quint8)
    torch.backends.quantized.engine = engine
    net, array, names = network(draw, operator)

    def again(array: np.ndarray) -> np.ndarray:
        torch.backends.quantized.engine = engine
        with torch.no_grad():
            return net.codes(torch.from_numpy(array)).int_repr().contiguous().numpy()

    expected = again(array)
    traced = torch.jit.trace(net, torch.from_numpy(array), check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    text = f"{' -> '.join(names)}; {engine}, {draw.dtype}, input {array.shape}, S = {net.scale!r}, Z = {net.zero_point}"
    return Case(operator, engine, engine, {"model.pt": buffer.getvalue()}, "model.pt", array, expected, text, again)


def cases(operators: list[str], rng: np.random.Generator) -> Iterator[Case]:
    """Endless: all engines of each operator in turn."""
    said = set()
    while True:
        for operator in operators:
            for engine in ENGINES:
                # Not everything drawn can be computed: the engine says so, and something else is drawn.
                for _ in range(20):
                    try:
                        case = one(rng, operator, engine)
                    except (RuntimeError, Unsuitable, ValueError, IndexError, NotImplementedError) as error:
                        if os.environ.get("AGAINST_ENGINES_VERBOSE"):
                            reason = (operator, engine, str(error).splitlines()[0][:160])
                            if reason not in said:
                                print("not drawn:", *reason, file=sys.stderr)
                            said.add(reason)
                        continue
                    yield case
                    break
