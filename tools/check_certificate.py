#!/usr/bin/env python3
"""Checks certificates of gen_params again, by other means: check_certificate.py FILE... [--parameters DIR]

FILE may be - for standard input. Nothing here is taken from gen_params but the description of the file,
docs/certificate.md: the arithmetics are written from their equations, with struct for float32 and integers and fractions
for everything else. One line a file, `confirmed` or `refused` and the kind of the first fault. Exits with 0 if all files
say what is found, 1 if not.
"""
import base64
import bisect
import hashlib
import itertools
import json
import math
import os
import struct
import sys
import zipfile
from fractions import Fraction

SCHEMA = 2
CONTRACTS = ["fbgemm", "qnnpack", "onednn", "x86", "onnxruntime", "litert", "litert-xnnpack", "exact"]
PYTORCH = {"fbgemm", "qnnpack", "onednn", "x86"}
TYPES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767), "int32": (-(1 << 31), (1 << 31) - 1)}
ROUNDINGS = ["half-up", "half-even", "half-away", "floor", "toward-zero", "double"]
LAYERS = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"]
SELECTING = ("quantize dequantize constant max_pool relu flatten reshape permute transpose squeeze unsqueeze slice chunk"
             " upsample_nearest pad pad_with channel_shuffle contiguous channels_last").split()
FUNCTIONS = "sigmoid tanh hardswish hardsigmoid leaky_relu elu gelu silu requantize".split()
COMPUTING = ("add sub mul minimum maximum matmul cat avg_pool adaptive_avg_pool mean clamp batch_norm layer_norm"
             " softmax").split() + FUNCTIONS
RECURRENT = ["svdf", "lstm"]
LARGEST_SPACE = 1 << 24
LARGEST_SEARCH = 1 << 22
LARGEST_PATTERNS = 1 << 12


class Fault(Exception):
    """What is wrong with a certificate: a kind, and words."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def need(condition, kind, text):
    if not condition:
        raise Fault(kind, text)


# The form of the file: for each key what it holds, and nothing else.

def integer(low, high):
    def read(value):
        need(type(value) is int and low <= value <= high, "format", f"{value!r} is no integer of {low}..={high}")
    return read


i32, i64 = integer(-(1 << 31), (1 << 31) - 1), integer(-(1 << 63), (1 << 63) - 1)
u32, u64 = integer(0, (1 << 32) - 1), integer(0, (1 << 64) - 1)


def real(value):
    need(type(value) is float and math.isfinite(value), "format", f"{value!r} is no real number")


def text(value):
    need(type(value) is str, "format", f"{value!r} is no string")


def flag(value):
    need(type(value) is bool, "format", f"{value!r} is neither true nor false")


def word(words):
    def read(value):
        need(type(value) is str and value in words, "format", f"{value!r} is none of {', '.join(words)}")
    return read


def maybe(form):
    return lambda value: None if value is None else form(value)


def many(form, count=None):
    def read(value):
        need(type(value) is list and count in (None, len(value)), "format", "a list is missing, or of another length")
        for entry in value:
            form(entry)
    return read


def record(**fields):
    def read(value):
        need(type(value) is dict and set(value) == set(fields), "format",
             f"found {sorted(value) if type(value) is dict else value!r}, expected the keys {sorted(fields)}")
        for key, form in fields.items():
            form(value[key])
    return read


def one_of(words=(), **forms):
    """One key that says which, or one of some words alone."""
    def read(value):
        if type(value) is str and value in words:
            return
        need(type(value) is dict and len(value) == 1 and next(iter(value)) in forms, "format",
             f"{value!r} is none of {', '.join(forms)}")
        (which, inner), = value.items()
        forms[which](inner)
    return read


def ranged(end):
    return record(min=end, max=end)


SCALE = record(multiplier=u32, shift=i32)
FORM = record(
    schema=u32, version=text, contract=text,
    target=record(rounding=word(ROUNDINGS), accumulator_bits=u32, product_bits=u32, bias_fraction_bits=u32),
    parameters_sha256=text,
    edges=many(maybe(record(scale=real, zero_point=i32, type=word(TYPES), range=maybe(ranged(i32))))),
    inputs=many(u64), outputs=many(u64), states=many(u64),
    nodes=many(record(name=text, op=text, contract=text, fusion=word(["codes", "unsigned", "floats"]),
                      inputs=many(u64), outputs=many(u64), detail=maybe(one_of(
        relu=flag, requantizes=flag, bounds=record(min=maybe(real), max=maybe(real)), number=real, filling=i32,
        constant=ranged(i32), window=record(sizes=many(u64), divisor=maybe(i64), filling=maybe(i32),
                                                     axes=maybe(many(u64))),
        batch_norm=record(weight=many(real), bias=many(real), mean=many(real), variance=many(real),
                          epsilon=maybe(real), relu=flag))))),
    layers=many(record(
        name=text,
        window=maybe(record(stride=maybe(many(u32)), padding=maybe(many(u32)), padding_end=maybe(many(u32)),
                            dilation=maybe(many(u32)), output_padding=maybe(many(u32)), groups=maybe(u32))),
        padding_mode=word(["zeros", "reflect", "replicate", "circular"]),
        weight=record(shape=many(u64), codes=text, scale=many(real), zero_point=many(i32), offset=i32),
        bias=maybe(one_of(real=many(real), codes=many(i64), wide_codes=many(i64))),
        relu=maybe(flag), activation_clamp=maybe(ranged(i32)), clamp=ranged(i32),
        channels=many(record(
            accumulator=ranged(i32), exact=flag, bias=i64, multiplier=u32, shift=i32, constant=maybe(i64),
            difference=record(reachable=u64, differing=u64,
                              first=maybe(record(accumulator=i64, reference=i32, hardware=i32)),
                              largest=maybe(record(accumulator=i64, reference=i32, hardware=i32))),
            only_ties=flag)))),
    operators=many(record(
        name=text, unproven=maybe(text),
        counted=maybe(record(
            clamp=ranged(i32),
            integers=one_of(words=("clamp",), sum=record(multipliers=many(u32, 2), shift=i32), product=SCALE,
                            concatenation=many(maybe(SCALE)), mean=SCALE, table=many(i32),
                            channel_scale=record(multipliers=many(i32), offsets=many(i32), shift=i32)),
            cases=u64, differing=u64, largest=u32,
            example=maybe(record(inputs=many(i64), reference=i32, hardware=i32)))))),
    sha256=text)


def read(data):
    """JSON without what JSON does not have, and without keys that stand twice."""
    def pairs(entries):
        need(len({key for key, _ in entries}) == len(entries), "format", "a key stands twice")
        return dict(entries)

    def refuse(value):
        raise Fault("format", f"{value} is no number of JSON")

    try:
        string = data.decode("utf-8")
        value = json.loads(string, object_pairs_hook=pairs, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Fault("format", str(error)) from error
    schema = value.get("schema") if type(value) is dict else None
    need(type(schema) is int and schema == SCHEMA, "schema", f"found schema {schema!r}, expected {SCHEMA}")
    FORM(value)
    return value


def digest(value, top=True):
    """SHA-256 of everything but `sha256`, however the text is laid out."""
    found = hashlib.sha256()

    def add(value, top=False):
        if type(value) is dict:
            found.update(b"{")
            for key in sorted(value, key=lambda key: key.encode()):
                if not (top and key == "sha256"):
                    add(key)
                    add(value[key])
            found.update(b"}")
        elif type(value) is list:
            found.update(b"[")
            for entry in value:
                add(entry)
            found.update(b"]")
        elif type(value) is str:
            found.update(f'"{len(value.encode())}:'.encode() + value.encode())
        elif type(value) is float:
            found.update(b"d" + struct.pack(">d", value).hex().encode())
        elif type(value) is int:
            found.update(f"i{value};".encode())
        else:
            found.update({True: b"t", False: b"f", None: b"n"}[value])

    add(value, top)
    return found.hexdigest()


# Arithmetic of float32: of a float64 that is exact or a fraction.

INFINITY = float("inf")


def f32(x):
    """The float32 nearest to a float. Products and sums of two float32 survive the float64 between without harm."""
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return math.copysign(INFINITY, x)


def f32_of_exact(x):
    """The float32 nearest to a fraction, ties to even: the one beside the float64's may be nearer."""
    rounded = f32(float(x))
    if math.isinf(rounded) or Fraction(rounded) == x:
        return rounded
    bits = struct.unpack("<i", struct.pack("<f", rounded))[0]
    near = [b for b in (bits - 1, bits, bits + 1) if b != -1]
    value = {b: struct.unpack("<f", struct.pack("<i", b))[0] for b in near}
    value = {b: v for b, v in value.items() if math.isfinite(v)}
    return value[min(value, key=lambda b: (abs(Fraction(value[b]) - x), b & 1))]


def fma(a, b, c):
    """a*b + c of float32, rounded once."""
    product = a * b
    if not (math.isfinite(product) and math.isfinite(c)):
        return f32(product + c)
    total = product + c
    # Nothing was lost where the sum gives both back.
    if total - product == c and total - c == product:
        return f32(total)
    return f32_of_exact(Fraction(a) * Fraction(b) + Fraction(c))


def rint(x):
    """To the nearest integer, ties to even; what is beyond every code stays there."""
    return round(x) if math.isfinite(x) else (1 << 62 if x > 0 else -(1 << 62)) if not math.isnan(x) else 0


def away(x):
    """To the nearest integer, ties away from zero."""
    if not math.isfinite(x):
        return rint(x)
    return int(math.copysign(math.floor(Fraction(abs(x)) + Fraction(1, 2)), x)) if x else 0


def divided(a, b):
    """a / b of float32."""
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(INFINITY, a) * math.copysign(1, b)
    return f32(a / b)


def clamp(x, low, high):
    return max(low, min(high, x))


def wrap(x):
    """The low 32 bits."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def divide(value, n, rounding):
    """value / 2^n as an integer."""
    if n <= 0:
        return value << -n
    half = 1 << (n - 1)
    if rounding == "double":
        return divide(divide(value, min(n, 31), "half-up"), n - min(n, 31), "half-away")
    if rounding in ("half-away", "toward-zero"):
        magnitude = (abs(value) + (half if rounding == "half-away" else 0)) >> n
        return magnitude if value >= 0 else -magnitude
    if rounding == "half-even":
        return round(Fraction(value, 1 << n))
    return (value + {"half-up": half, "floor": 0}[rounding]) >> n


def fixed_point(x):
    """TFLite's factor: multiplier * 2^(exponent - 31), the multiplier 0 or of 31 bits; None beyond 2^31."""
    if not math.isfinite(x) or x < 0:
        return None
    if x < sys.float_info.min:
        return 0, 0
    fraction, exponent = math.frexp(x)
    multiplier = away(fraction * 2.0 ** 31)
    if multiplier == 1 << 31:
        multiplier, exponent = 1 << 30, exponent + 1
    if exponent < -31:
        return 0, 0
    return (multiplier, exponent) if exponent <= 31 else None


def doubling_high(a, b):
    return min((a * b + (1 << 30)) >> 31, (1 << 31) - 1)


def fixed_double(factor, x):
    multiplier, exponent = factor
    shifted = wrap(x << (max(exponent, 0) & 31))
    return divide(doubling_high(shifted, multiplier), max(-exponent, 0), "half-away")


def fixed_single(factor, x):
    return divide(x * factor[0], 31 - factor[1], "half-up")


def fixed_reduced(factor, x):
    multiplier = (factor[0] + (1 << 15)) >> 16 if factor[0] < 0x7FFF0000 else 0x7FFF
    return divide(x * multiplier, 15 - factor[1], "half-up")


# Codes and real numbers, as each engine turns one into the other. An activation is (S, Z, type).

def ends(activation):
    return TYPES[activation[2]]


def within(code, activation):
    return clamp(code, *ends(activation))


def quantize(x, activation):
    """PyTorch, XNNPACK: times the reciprocal."""
    return within(rint(f32(x * divided(1.0, f32(activation[0])))) + activation[1], activation)


def quantize_exact(x, activation):
    return within(round(x / Fraction(activation[0])) + activation[1], activation)


def quantize_as(contract, x, activation):
    if contract in PYTORCH or contract == "litert-xnnpack":
        return quantize(x, activation)
    if contract == "exact" and math.isfinite(x):
        return quantize_exact(Fraction(x), activation)
    if contract == "exact":
        return quantize(x, activation)
    steps = divided(x, f32(activation[0]))
    return within((away if contract == "litert" else rint)(steps) + activation[1], activation)


def dequantize(code, activation):
    return f32((code - activation[1]) * f32(activation[0]))


def dequantize_fused(code, activation):
    scale = f32(activation[0])
    return fma(scale, float(code), f32(scale * -activation[1]))


# The reference of a layer.

class Falls(Exception):
    """The reference is not known to be a step function that never falls."""


def engine_of(contract, layer):
    """x86 chooses between two engines."""
    if contract != "x86":
        return contract
    window = layer["window"] or {}
    groups = window.get("groups") or 1
    symmetric = not any(layer["weight"]["zero_point"])
    grows = any(window.get("output_padding") or [])
    return "onednn" if layer["kind"] != "linear" and groups <= 100 and symmetric and not grows else "fbgemm"


def exact_bias(value, s1, s2):
    return round(Fraction(value) / (Fraction(s1) * Fraction(s2)))


def reference_of(contract, layer, index, source, output, low, high):
    """The code of an accumulator of low..=high, as a function; the layer's own clamp is its."""
    engine = engine_of(contract, layer)
    scales = layer["weight"]["scale"]
    per_channel = len(scales) > 1
    s1, s2, s3 = source[0], scales[index if per_channel else 0], output[0]
    f1, f2, f3 = f32(s1), f32(s2), f32(s3)
    zero_point, (least, most) = output[1], layer["own"]
    form, values = next(iter(layer["bias"].items())) if layer["bias"] else (None, None)
    value = values[index] if values else None
    if form == "real":
        real_bias, integer_bias = value, exact_bias(value, s1, s2)
    elif form:
        real_bias, integer_bias = f32(float(value) * (s1 * s2)), value
    else:
        real_bias, integer_bias = None, 0
    need(-(1 << 63) <= integer_bias < 1 << 63, "reference", "a bias beyond 64 bits")
    wide = "int16" in (source[2], output[2])

    def narrow():
        need(-(1 << 31) <= integer_bias < 1 << 31, "reference", "a bias beyond 32 bits")
        return integer_bias

    def fits(function):
        """No value at the ends leaves 32 bits, where engines jump to the smallest code."""
        need(all(abs(rint(function(end))) < 1 << 31 for end in (low, high)), "reference",
             "the scaled accumulator leaves 32 bits")

    def sound(*numbers):
        need(all(math.isfinite(number) and number >= 0 for number in numbers), "reference", "a factor that is none")

    def saturate(code):
        return clamp(clamp(clamp(code, -32768, 32767) + zero_point, -32768, 32767), least, most)

    if engine == "litert":
        wide_sums = source[2] == "int16" and form not in ("real", "codes")
        if layer["kind"] == "linear":
            multiplier = s1 * s2 / s3
            need(math.isfinite(multiplier) and (wide_sums or narrow() == integer_bias), "reference", "a factor that is none")
            need(all((wide_sums or wrap(end + integer_bias) == end + integer_bias)
                     and abs(float(end + integer_bias) * multiplier) < 1 << 30 for end in (low, high)), "reference",
                 "the scaled accumulator leaves 32 bits")
            return lambda a: clamp(away(float(a + integer_bias) * multiplier) + zero_point, least, most)
        factor = fixed_point(s1 * s2 / s3)
        need(factor is not None, "reference", "scales too far apart")
        if source[2] == "int16" and form not in ("real", "codes"):
            scaled = fixed_reduced
        else:
            scaled = fixed_double
        if scaled is not fixed_reduced:
            narrow()
        if scaled is fixed_double:
            for end in (low, high):
                total = end + integer_bias
                need(wrap(total) == total and wrap(total << max(factor[1], 0)) == total << max(factor[1], 0),
                     "reference", "an accumulator that is shifted beyond 32 bits")
        return lambda a: clamp(scaled(factor, a + integer_bias) + zero_point, least, most)
    need(not wide, "reference", "codes of 16 bits")
    if engine == "fbgemm":
        product = f32(f1 * f2)
        multiplier = divided(product, f3)
        if real_bias is None or per_channel:
            addend = 0.0 if real_bias is None else divided(real_bias, product)
            need(math.isfinite(addend), "reference", "a bias that is none")
            function = lambda a: f32(f32(f32(float(a)) + addend) * multiplier)
        else:
            reciprocal = f32(1.0 / product) if product else INFINITY
            sound(reciprocal)
            function = lambda a: f32(fma(real_bias, reciprocal, f32(float(a))) * multiplier)
        sound(multiplier)
        fits(function)
        return lambda a: saturate(rint(function(a)))
    if engine == "qnnpack":
        if form == "real":
            scale = divided(1.0, f32(s2 * s1))
            bias = clamp(rint(f32(value * scale)), -(1 << 31), (1 << 31) - 1)
        else:
            bias = narrow() if form else 0
        multiplier = f32(f32(f2 * f1) * divided(1.0, f3)) if source[2] == "uint8" else divided(f32(f1 * f2), f3)
        sound(multiplier)
        need(all(wrap(end + bias) == end + bias for end in (low, high)), "reference", "a sum beyond 32 bits")
        function = lambda a: f32(f32(float(a + bias)) * multiplier)
        fits(function)
        return lambda a: saturate(rint(function(a)))
    if engine == "onednn":
        first = divided(1.0, f32(1.0 / s1))
        if layer["kind"] != "linear":
            second = f2
        elif per_channel:
            second = divided(1.0, divided(1.0, f2))
        else:
            second = divided(1.0, f32(1.0 / s2))
        last = divided(1.0, divided(1.0, f32(1.0 / s3)))
        scale, bias = f32(first * second), real_bias or 0.0
        sound(scale, last)
        need(all(math.isfinite(f32(f32(f32(float(end)) * scale) + bias)) for end in (low, high)), "reference",
             "a sum beyond float32")

        def onednn(a):
            total = f32(f32(f32(float(a)) * scale) + bias)
            return clamp(rint(f32(f32(total * last) + zero_point)), least, most)
        return onednn
    if engine in ("onnxruntime", "litert-xnnpack"):
        bias, multiplier = narrow(), divided(f32(f1 * f2), f3)
        sound(multiplier)
        need(all(wrap(end + bias) == end + bias for end in (low, high)), "reference", "a sum beyond 32 bits")
        return lambda a: rint(clamp(f32(f32(float(a + bias)) * multiplier), least - zero_point, most - zero_point)) \
            + zero_point
    # Exact: round(((a + integer)*S1*S2 + b) / S3), ties to even.
    product, offset = Fraction(s1) * Fraction(s2) / Fraction(s3), Fraction(0)
    if form == "real":
        offset = Fraction(value) / Fraction(s3)
    elif form:
        offset = value * product
    return lambda a: clamp(round(a * product + offset) + zero_point, least, most)


def stretches(code, low, high):
    """The accumulators at which a function that never falls takes another value, by halving; low is one of them."""
    found, pending = {low: code(low)}, [(low, code(low), high, code(high))]
    while pending:
        a, code_a, b, code_b = pending.pop()
        need(code_a <= code_b, "reference", f"codes fall between {a} and {b}")
        if code_a == code_b:
            continue
        if b - a == 1:
            found[b] = code_b
            continue
        middle = (a + b) // 2
        code_middle = code(middle)
        pending += [(a, code_a, middle, code_middle), (middle, code_middle, b, code_b)]
    return found


def bits(value):
    """Of the narrowest two's complement integer."""
    return (value if value >= 0 else ~value).bit_length() + 1


# Layers.

def prod(sizes):
    return math.prod(sizes)


def weights_of(layer):
    """By output channel and tap of a kernel, the weights (less Z2) of each input channel."""
    kind, weight, window = layer["kind"], layer["weight"], layer["window"]
    shape, transposed = weight["shape"], "transpose" in layer["kind"]
    axes = 0 if kind == "linear" else int(kind[-2])
    need(len(shape) == axes + 2 and all(shape), "weights", "sizes of another layer")
    try:
        codes = base64.b64decode(weight["codes"].encode("ascii"), validate=True)
        need(base64.b64encode(codes).decode() == weight["codes"], "weights", "no base64")
    except ValueError as error:
        raise Fault("weights", "no base64") from error
    need(len(codes) == prod(shape), "weights", f"{len(codes)} weights of sizes {shape}")
    need((window is None) == (axes == 0), "weights", "a window of a linear layer, or none of a convolution")
    groups = 1
    if window:
        lists = [window[key] for key in ("stride", "padding", "padding_end", "dilation", "output_padding")]
        need(all(len(values) == axes for values in lists if values is not None), "weights", "a window of other axes")
        for key in ("stride", "dilation"):
            need(window[key] is None or all(window[key]), "weights", "a step of 0")
        if transposed:
            need(prod(window["stride"] or []) <= 1 << 16 and window["groups"] is not None, "weights", "strides")
        groups = 1 if window["groups"] is None else window["groups"]
    need(groups > 0 and shape[0] % groups == 0, "weights", f"{groups} groups")
    channels = shape[1] * groups if transposed else shape[0]
    scales, zero_points = weight["scale"], weight["zero_point"]
    bias = next(iter(layer["bias"].values())) if layer["bias"] else [0] * channels
    need(len(scales) in (1, channels) and len(zero_points) == len(scales) and len(bias) == channels, "weights",
         "scales, zero points or biases of another number of channels")
    need(all(scale > 0 for scale in scales), "weights", "a weight scale that is no positive number")
    need(all(-256 <= z <= 255 for z in zero_points) and weight["offset"] in (0, 128), "weights", "zero points")
    if layer["bias"] and "real" in layer["bias"]:
        need(all(f32(value) == value for value in bias), "weights", "a bias that is no float32")
    need(len(layer["channels"]) == channels, "channels", f"{len(layer['channels'])} channels, expected {channels}")
    codes = memoryview(codes).cast("b")
    kernel = prod(shape[2:])
    found = []
    for channel in range(channels):
        z2 = zero_points[channel if len(zero_points) > 1 else 0]
        if transposed:
            group, inside = divmod(channel, shape[1])
            inputs = shape[0] // groups
            starts = [(i * shape[1] + inside) * kernel for i in range(group * inputs, (group + 1) * inputs)]
        else:
            starts = [(channel * shape[1] + i) * kernel for i in range(shape[1])]
        found.append([[codes[start + tap] - z2 for start in starts] for tap in range(kernel)])
    return found


def axis_patterns(layer, axis):
    """The sets of taps that meet the input along an axis, for every position of every size of input; None of a window too
    large to be looked through."""
    window, taps = layer["window"], layer["weight"]["shape"][2 + axis]
    stride, dilation, padding = (window[key][axis] for key in ("stride", "dilation", "padding"))
    end = window["padding_end"][axis] if window["padding_end"] is not None else padding
    reach, found = dilation * (taps - 1) + 1, set()
    if "transpose" in layer["kind"]:
        more = window["output_padding"][axis]
        largest = -(-(reach + padding + end) // stride) + 2
        if largest * (largest * stride + reach + more) * taps > LARGEST_SEARCH:
            return None
        for size in range(1, largest + 1):
            for place in range((size - 1) * stride - padding - end + reach + more):
                steps = [divmod(place + padding - tap * dilation, stride) for tap in range(taps)]
                found.add(tuple(rest == 0 and 0 <= step < size for step, rest in steps))
    else:
        if (reach + stride) * ((reach + stride + padding + end) // stride + 1) * taps > LARGEST_SEARCH:
            return None
        for size in range(1, reach + stride + 1):
            room = size + padding + end - reach
            for place in range(room // stride + 1 if room >= 0 else 0):
                first = place * stride - padding
                found.add(tuple(0 <= first + tap * dilation < size for tap in range(taps)))
    return found


def patterns_of(layer, excluded):
    """Which taps of a kernel meet the input at once; elsewhere they meet Z1, whose difference to Z1 is 0. Where Z1 can
    enter, too, a window with more taps inside reaches whatever one with fewer does."""
    window, shape = layer["window"], layer["weight"]["shape"]
    if window is None:
        return [(True,)]
    transposed = "transpose" in layer["kind"]
    if transposed:
        need(window["stride"] is not None and window["dilation"] is not None, "reference", "stride or dilation not known")
    if not transposed and not (excluded and meets_zero_point(layer)):
        return [(True,) * prod(shape[2:])]
    if not excluded:
        axes = []
        for taps, dilation, stride in zip(shape[2:], window["dilation"], window["stride"]):
            axes.append({tuple(tap * dilation % stride == phase for tap in range(taps)) for phase in range(stride)})
    else:
        keys = ("stride", "dilation", "padding") + (("output_padding",) if transposed else ())
        if any(window[key] is None for key in keys):
            return None
        axes = [axis_patterns(layer, axis) for axis in range(len(shape) - 2)]
        if None in axes or prod(map(len, axes)) > LARGEST_PATTERNS:
            return None
    return [tuple(all(along) for along in itertools.product(*sets)) for sets in itertools.product(*axes)]


def ends_of(patterns, taps, low, high):
    """Ends of sum((x - Z1) * (w - Z2)) for x - Z1 in low..=high."""
    positive = [sum(w for w in of_tap if w > 0) for of_tap in taps]
    negative = [sum(w for w in of_tap if w < 0) for of_tap in taps]
    least, most = [], []
    for pattern in patterns:
        more = sum(w for w, inside in zip(positive, pattern) if inside)
        less = sum(w for w, inside in zip(negative, pattern) if inside)
        least.append(more * low + less * high)
        most.append(more * high + less * low)
    return min(least), max(most)


class Sums:
    """The sums sum(w * x) that occur for x in low..=high: from the smallest on, multiples of the common divisor of the
    weights. In these units the sums are what coins of |w| can pay, each as often as x can grow. Some coins are put together
    bit by bit, until they pay everything from `start` to as far from their total, a stretch no shorter than the largest
    other coin: each further coin only makes it longer. Below `start` only coins smaller than it take part, and above the
    stretch is the mirror image of below."""

    def __init__(self, weights, low, high):
        self.smallest = sum(w * (low if w > 0 else high) for w in weights)
        counts = {}
        for w in weights:
            if w and high > low:
                counts[abs(w)] = counts.get(abs(w), 0) + high - low
        self.unit = math.gcd(*counts) or 1
        coins = sorted((value // self.unit, count) for value, count in counts.items())
        self.total = sum(value * count for value, count in coins)
        first, rest, divisor = [], [], 0
        for value, count in coins:
            if math.gcd(divisor, value) != divisor:
                divisor = math.gcd(divisor, value)
                first.append((value, min(count, 1000)))
                count -= min(count, 1000)
            if count:
                rest.append((value, count))
        rest.sort()
        bits_, paid, self.start = 1, 0, None
        for index, (value, count) in enumerate(first + rest):
            if index >= len(first):
                start = self.stretch(bits_, paid)
                if start is not None and paid - 2 * start + 1 >= rest[-1][0]:
                    self.start = start
                    break
            bits_ = self.pay(bits_, value, count)
            paid += value * count
            need(paid < 1 << 28, "reference", "too many sums")
        else:
            self.start = self.stretch(bits_, paid)
        if self.start is None:
            self.start, self.low = self.total + 1, bits_
        else:
            self.low = 1
            for value, count in coins:
                if value < self.start:
                    self.low = self.pay(self.low, value, count, self.start)
            self.low &= (1 << self.start) - 1

    @staticmethod
    def pay(bits_, value, count, limit=None):
        step = 1
        while count:
            some = min(step, count)
            if limit is not None and value * some >= limit:
                # What is beyond the limit is cut off, and so are all further steps.
                break
            bits_ |= bits_ << (value * some)
            if limit is not None:
                bits_ &= (1 << limit) - 1
            count, step = count - some, step * 2
        else:
            return bits_
        while count and value < (limit or 0):
            more = bits_ | bits_ << value
            if limit is not None:
                more &= (1 << limit) - 1
            if more == bits_:
                break
            bits_, count = more, count - 1
        return bits_

    @staticmethod
    def stretch(bits_, paid):
        """Where a stretch of payable sums around the middle begins."""
        middle = paid // 2
        if not bits_ >> middle & 1 or not bits_ >> (paid - middle) & 1:
            return None
        missing = ~bits_ & ((1 << (middle + 1)) - 1)
        return missing.bit_length()

    @staticmethod
    def stretches(bits_):
        """The first of ones side by side, and the place behind the last."""
        number = 0
        while bits_:
            zeros = (bits_ & -bits_).bit_length() - 1
            number, bits_ = number + zeros, bits_ >> zeros
            ones = ((bits_ + 1) & ~bits_).bit_length() - 1
            yield number, number + ones
            number, bits_ = number + ones, bits_ >> ones

    def runs(self):
        """First, one beyond the last, distance: ascending."""
        def at(first, beyond):
            return self.smallest + self.unit * first, self.smallest + self.unit * beyond, self.unit

        below = [at(first, beyond) for first, beyond in self.stretches(self.low)]
        if self.start > self.total:
            return below
        mirror = self.smallest * 2 + self.unit * (self.total + 1)
        above = [(mirror - beyond, mirror - first, self.unit) for first, beyond, _ in reversed(below)]
        return below + [at(self.start, self.total - self.start + 1)] + above


class Interval:
    """Every integer from one to another."""

    def __init__(self, low, high):
        self.all = [(low, high + 1, 1)]

    def runs(self):
        return self.all


class Union:
    """What one set or another has."""

    def __init__(self, sets):
        every = sorted({run for one in sets for run in one.runs()})
        units = {unit for first, beyond, unit in every if beyond - first > unit} or {1}
        unit = max(units)
        if len(units) > 1 or len({first % unit for first, _, _ in every}) > 1:
            low, high = every[0][0], max(beyond for _, beyond, _ in every)
            need(high - low < 1 << 28, "reference", "too many sums")
            bits_ = 0
            for first, beyond, distance in every:
                bits_ |= Sums.pay(1, distance, (beyond - first) // distance - 1) << (first - low)
            every, unit = [(low + first, low + beyond, 1) for first, beyond in Sums.stretches(bits_)], 1
        self.all = []
        for first, beyond, distance in every:
            beyond = first + (beyond - first) // distance * unit
            if self.all and first <= self.all[-1][1]:
                self.all[-1] = self.all[-1][0], max(self.all[-1][1], beyond), unit
            else:
                self.all.append((first, beyond, unit))

    def runs(self):
        return self.all


class Ranks:
    """Accumulators by their number in ascending order."""

    def __init__(self, runs):
        self.runs, self.before = runs, [0]
        for first, beyond, unit in runs:
            self.before.append(self.before[-1] + (beyond - first) // unit)

    def below(self, number):
        """How many are smaller."""
        index = bisect.bisect_left(self.runs, (number,))
        if index == 0:
            return 0
        first, _, unit = self.runs[index - 1]
        return min(self.before[index - 1] + -(-(number - first) // unit), self.before[index])

    def at(self, rank):
        index = bisect.bisect_right(self.before, rank) - 1
        first, _, unit = self.runs[index]
        return first + (rank - self.before[index]) * unit


def meets_zero_point(layer):
    """Whether a tap of a convolution can meet the code Z1 at a border."""
    window = layer["window"]
    if window is None or layer["padding_mode"] != "zeros":
        return False
    return window["padding"] is None or any(window["padding"]) or any(window["padding_end"] or [])


def saturates_pairs(contract, layer, channels):
    """FBGEMM's depthwise kernels of 3x3 and 5x5 taps add pairs in 16 bits."""
    window, shape = layer["window"], layer["weight"]["shape"]
    if layer["kind"] != "conv2d" or engine_of(contract, layer) != "fbgemm":
        return False
    if any(window[key] is None for key in ("stride", "padding", "dilation", "groups")):
        return False
    size = shape[2]
    ends_ = window["padding_end"] if window["padding_end"] is not None else window["padding"]
    return (shape[1] == 1 and window["groups"] == channels and channels % 8 == 0 and size in (3, 5)
            and shape[2:] == [size, size] and set(window["stride"]) <= {1, 2} and set(window["dilation"]) == {1}
            and set(window["padding"]) == {size // 2} and set(ends_) == {size // 2})


def own_clamp(layer, output):
    """The layer's own clamp; None where it depends on whether a ReLU is fused and nobody says."""
    low, high = ends(output)
    given = layer["activation_clamp"]
    least, most = (clamp(given["min"], low, high), clamp(given["max"], low, high)) if given else (low, high)
    if layer["relu"]:
        least = clamp(output[1], least, most) if least <= most else None
    elif layer["relu"] is None and output[1] > least:
        return None
    return (least, most) if least is not None and least <= most else None


def hardware_code(channel, target, zero_point, limits, a):
    product = ((a << target["bias_fraction_bits"]) + channel["bias"]) * channel["multiplier"]
    if channel["constant"] is not None:
        shifted = divide(product + channel["constant"], channel["shift"], "floor")
    else:
        shifted = divide(product, channel["shift"], target["rounding"])
    return clamp(shifted + zero_point, *limits)


def product_bits(channel, target, low, high):
    half = 0
    if channel["constant"] is not None:
        half = channel["constant"]
    elif target["rounding"] == "half-up" and channel["shift"] > 0:
        half = 1 << (channel["shift"] - 1)
    products = [((a << target["bias_fraction_bits"]) + channel["bias"]) * channel["multiplier"] for a in (low, high)]
    return max(bits(value + more) for value in products for more in (0, half))


def prove_channel(layer, index, taps, source, output, limits, contract, target):
    channel = layer["channels"][index]
    low, high = layer["entering"]
    wide = min(low, 0), max(high, 0)
    patterns = layer["patterns"]
    claimed = channel["accumulator"]["min"], channel["accumulator"]["max"]
    if patterns is not None:
        least, most = ends_of(patterns, taps, low, high)
    if not channel["exact"] and low * high > 0 and layer["cut"]:
        # Which windows a border cuts need not be looked into: what holds all of them is as good.
        whole = ends_of(patterns_of(layer, False), taps, *wide)
        if patterns is None or (whole[0] <= claimed[0] <= least and most <= claimed[1] <= whole[1]):
            least, most = claimed if patterns is not None else whole
    need(patterns is not None or not channel["exact"], "range", "which windows are cut is not known")
    need(-(1 << 31) <= least and most < 1 << 31, "register", "accumulators beyond 32 bits")
    need(claimed == (least, most), "range", f"says {claimed}, and the weights give {least}..={most}")
    if channel["exact"]:
        together = {}
        for pattern in patterns:
            met = tuple(sorted(w for of_tap, inside in zip(taps, pattern) if inside for w in of_tap))
            together[met] = None
        sets = [Sums(met, low, high) for met in together]
        ranks = Ranks((sets[0] if len(sets) == 1 else Union(sets)).runs())
    else:
        ranks = Ranks(Interval(least, most).runs())
    fraction, width = target["bias_fraction_bits"], target["accumulator_bits"]
    origin = source[1] * sum(map(sum, taps))
    need(all(bits(a + origin) <= width for a in (least, most)), "register", "the accumulator is wider")
    need(all(bits((a << fraction) + channel["bias"]) <= min(width + fraction, 64) for a in (least, most)), "register",
         "the biased accumulator is wider")
    reference = reference_of(contract, layer, index, source, output, least, most)
    need(-127 <= channel["shift"] <= 127, "register", "a shift that no hardware has")
    need(product_bits(channel, target, least, most) <= target["product_bits"], "register", "the product is wider")
    functions = [lambda a: clamp(reference(a), *limits), lambda a: hardware_code(channel, target, output[1], limits, a)]
    changes = [stretches(function, least, most) for function in functions]
    starts = sorted(set(changes[0]) | set(changes[1]))
    s1, s3, scales = source[0], output[0], layer["weight"]["scale"]
    s2 = scales[index if len(scales) > 1 else 0]
    form, values = next(iter(layer["bias"].items())) if layer["bias"] else (None, None)

    def is_tie(a, level):
        """Whether the exact output lies halfway between level - 1 and level."""
        total = a + (values[index] if form in ("codes", "wide_codes") else 0)
        exact = total * Fraction(s1) * Fraction(s2) + (Fraction(values[index]) if form == "real" else 0)
        return exact / Fraction(s3) == level - Fraction(1, 2)

    differing, first, largest, only_ties, codes = 0, None, None, True, [0, 0]
    for start, end in zip(starts, starts[1:] + [most + 1]):
        codes = [change.get(start, code) for change, code in zip(changes, codes)]
        distance = abs(codes[0] - codes[1])
        rank, beyond = (ranks.below(start), ranks.below(end)) if distance else (0, 0)
        if rank == beyond:
            continue
        witness = {"accumulator": ranks.at(rank), "reference": codes[0], "hardware": codes[1]}
        differing += beyond - rank
        first = first or witness
        if largest is None or distance > abs(largest["reference"] - largest["hardware"]):
            largest = witness
        only_ties = only_ties and distance == 1 and beyond - rank == 1 and \
            is_tie(ranks.at(rank), max(codes) - output[1])
    counts = {"reachable": ranks.before[-1], "differing": differing, "first": first, "largest": largest}
    need(channel["difference"] == counts and channel["only_ties"] == only_ties, "difference",
         f"channel {index}: says {channel['difference']}, {channel['only_ties']}; found {counts}, {only_ties}")


class Network:
    """The wiring, with what each node can give."""

    def __init__(self, certificate):
        self.certificate = certificate
        self.edges, self.nodes = certificate["edges"], certificate["nodes"]
        self.by_name = {node["name"]: node for node in self.nodes}
        self.layers = {layer["name"]: layer for layer in certificate["layers"]}

    def edge(self, ids, place):
        return self.edges[ids[place]] if place < len(ids) else None

    @staticmethod
    def activation(edge):
        return edge["scale"], edge["zero_point"], edge["type"]

    def check(self):
        certificate, edges = self.certificate, self.edges
        need(self.nodes, "network", "has no nodes")
        produced = set()

        def produce(ids):
            for id_ in ids:
                need(id_ < len(edges) and id_ not in produced, "network", f"edge {id_} twice, or none")
                produced.add(id_)

        produce(certificate["inputs"] + certificate["states"])
        names = set()
        for node in self.nodes:
            need(node["name"] and node["name"] not in names, "network", f"the name {node['name']!r}")
            names.add(node["name"])
            need(node["op"] in LAYERS + SELECTING + COMPUTING + RECURRENT, "network", f"no operator is {node['op']!r}")
            need(node["contract"] == certificate["contract"], "contract", f"found {node['contract']!r}")
            need(node["outputs"] and all(id_ in produced for id_ in node["inputs"]), "network", "wiring")
            produce(node["outputs"])
        need(len(produced) == len(edges) and all(id_ in produced for id_ in certificate["outputs"]), "network", "edges")
        for edge in edges:
            if edge is None:
                continue
            low, high = TYPES[edge["type"]]
            need(edge["scale"] > 0 and low <= edge["zero_point"] <= high, "network", "a scale or zero point")
            given = edge["range"]
            need(given is None or low <= given["min"] <= given["max"] <= high, "range", f"{given} is no range of codes")
        for kinds, key in ((LAYERS, "layers"), (COMPUTING + RECURRENT, "operators")):
            expected = [node["name"] for node in self.nodes if node["op"] in kinds]
            found = [entry["name"] for entry in certificate[key]]
            need(found == expected, "layers", f"{key} {found}, expected {expected}")
        whole = [edge and TYPES[edge["type"]] for edge in edges]
        for id_ in certificate["inputs"] + certificate["states"]:
            self.expect(id_, whole[id_])
        for node in self.nodes:
            for place, id_ in enumerate(node["outputs"]):
                if edges[id_] is not None:
                    self.expect(id_, self.given(node, place))

    def expect(self, id_, given):
        claimed = self.edges[id_] and self.edges[id_]["range"]
        need(not claimed or (claimed["min"] <= given[0] and claimed["max"] >= given[1]), "range",
             f"edge {id_} says {claimed}, and its producer can give {given}")

    def given(self, node, place):
        """The codes that a node can give."""
        op, output = node["op"], self.edge(node["outputs"], place)
        low, high = whole = TYPES[output["type"]]
        which, detail = next(iter(node["detail"].items())) if node["detail"] else (None, None)

        def entering(index):
            source = self.edge(node["inputs"], index)
            if source is None or source["range"] is None or self.activation(source) != self.activation(output):
                return None
            return source["range"]["min"], source["range"]["max"]

        passed = entering(0) or whole

        def hull(*ranges):
            return min(r[0] for r in ranges), max(r[1] for r in ranges)

        if op in LAYERS:
            return own_clamp(self.layers[node["name"]], self.activation(output)) or whole
        if op == "relu":
            return max(passed[0], output["zero_point"]), max(passed[1], output["zero_point"])
        if op == "clamp" and which == "bounds":
            bound = [INFINITY * sign if detail[key] is None else f32(detail[key]) for key, sign in (("min", -1), ("max", 1))]
            least, most = (quantize(x, self.activation(output)) for x in bound)
            return clamp(passed[0], least, max(least, most)), clamp(passed[1], least, max(least, most))
        if (op in ("add", "sub", "mul") and which == "relu" and detail) or \
                (op == "batch_norm" and which == "batch_norm" and detail["relu"]):
            return output["zero_point"], high
        if op == "cat" and which == "requantizes" and not detail:
            ranges = [entering(index) for index in range(len(node["inputs"]))]
            return hull(*ranges) if ranges and all(ranges) else whole
        filling = detail["filling"] if op == "avg_pool" and which == "window" else \
            detail if op in ("pad", "pad_with") and which == "filling" else None
        if filling is not None:
            return hull(passed, (filling, filling))
        if op == "constant" and which == "constant":
            return detail["min"], detail["max"]
        if op in RECURRENT and place > 0:
            return entering(place) or whole
        if op in ("max_pool", "avg_pool", "adaptive_avg_pool", "mean") and (op != "avg_pool" or which == "window"):
            return passed
        if op in SELECTING and op not in ("quantize", "dequantize", "constant"):
            return passed
        return whole

    def expected_clamp(self, node, own):
        """The layer's own, within that of a ReLU or clamp that alone follows."""
        id_ = node["outputs"][0]
        readers = [reader for reader in self.nodes if id_ in reader["inputs"]]
        if id_ in self.certificate["outputs"] or len(readers) != 1 or readers[0]["op"] not in ("relu", "clamp"):
            return own
        edge = self.edges[readers[0]["outputs"][0]]
        if edge is None or edge["range"] is None:
            return own
        return max(own[0], edge["range"]["min"]), min(own[1], edge["range"]["max"])

    def check_layer(self, layer):
        certificate = self.certificate
        contract, target = certificate["contract"], certificate["target"]
        node = self.by_name[layer["name"]]
        source, output = self.edge(node["inputs"], 0), self.edge(node["outputs"], 0)
        need(source and output, "network", "its input or output has no codes")
        layer = dict(layer, kind=node["op"])
        weights = weights_of(layer)
        need(source["range"], "range", "the range of its input is not known")
        into, out = self.activation(source), self.activation(output)
        layer["own"] = own_clamp(layer, out)
        need(layer["own"], "clamp", "its own clamp is not known, or is none")
        limits = self.expected_clamp(node, layer["own"])
        need(limits[0] <= limits[1] and layer["clamp"] == {"min": limits[0], "max": limits[1]}, "clamp",
             f"says {layer['clamp']}, expected {limits}")
        need(not (saturates_pairs(contract, layer, len(weights)) and source["range"]["max"] > 127), "reference",
             "the engine's depthwise kernel saturates")
        need(not (contract == "onnxruntime" and node["fusion"] == "floats"), "reference",
             "the engine adds up floats: its codes are no function of the accumulators")
        constants = [channel["constant"] is None for channel in layer["channels"]]
        need(all(constants) or not any(constants), "channels", "some channels have a constant, and some have none")
        low, high = layer["entering"] = [source["range"][end] - source["zero_point"] for end in ("min", "max")]
        layer["cut"] = "transpose" in layer["kind"] or meets_zero_point(layer)
        layer["patterns"] = patterns_of(layer, low * high > 0)
        need(output["type"] in ("uint8", "int8"), "reference", "output codes of more than 8 bits")
        for index, of_channel in enumerate(weights):
            prove_channel(layer, index, of_channel, into, out, limits, contract, target)


# Operators without weights: the reference's code of every case, in every way in which an engine computes it. A way is a
# list of codes in the order of the cases, or with `None` for cases that it does not compute.

def error_function(x):
    return math.erf(x)


def exponential(x):
    try:
        return math.exp(x)
    except OverflowError:
        return INFINITY


def function_f32(op, number, x, onnx):
    """The function of a float32, as the engines write it."""
    six = f32(1.0 / 6.0)
    gate = clamp(f32(f32(x * six) + 0.5), 0.0, 1.0) if onnx else None
    if op == "sigmoid":
        return divided(1.0, f32(1.0 + f32(exponential(-x))))
    if op == "tanh":
        return f32(math.tanh(x))
    if op == "hardswish":
        return f32(x * gate) if onnx else f32(f32(x * clamp(f32(x + 3.0), 0.0, 6.0)) / 6.0)
    if op == "hardsigmoid":
        return gate if onnx else f32(clamp(f32(x + 3.0), 0.0, 6.0) / 6.0)
    if op == "leaky_relu":
        return x if x > 0 else f32(x * f32(number))
    if op == "elu":
        return x if x > 0 else f32(f32(f32(exponential(x)) - 1.0) * f32(number))
    if op == "gelu":
        inner = f32(1.0 + f32(error_function(f32(x * f32(0.70710677)))))
        return f32(f32(x * 0.5) * inner)
    if op == "silu":
        return divided(x, f32(1.0 + f32(exponential(-x))))
    least, most = number
    return min(max(x, f32(least)), f32(most))


def function_f64(op, number, x):
    """The function of a real number."""
    if op == "sigmoid":
        return 1.0 / (1.0 + exponential(-x))
    if op == "tanh":
        return math.tanh(x)
    if op == "hardswish":
        return x * clamp(x + 3.0, 0.0, 6.0) / 6.0
    if op == "hardsigmoid":
        return clamp(x + 3.0, 0.0, 6.0) / 6.0
    if op == "leaky_relu":
        return x if x > 0 else x * number
    if op == "elu":
        return x if x > 0 else math.expm1(x) * number
    if op == "gelu":
        return x * 0.5 * (1.0 + error_function(x * math.sqrt(0.5)))
    if op == "silu":
        return x / (1.0 + exponential(-x))
    least, most = number
    return min(max(x, least), most)


def coarse_factor(quotient):
    """XNNPACK's factor of 8 fractional bits."""
    need(abs(quotient) <= 128, "reference", "scales too far apart")
    return rint(quotient * 256.0)


def hardswish_fixed(source, output):
    """TFLite's, in 16 bits."""
    def narrow(x):
        factor = fixed_point(x)
        need(factor is not None, "reference", "scales too far apart")
        multiplier, exponent = factor
        return (0x7FFF if multiplier >= (1 << 31) - 1 - (1 << 15) else (multiplier + (1 << 15)) >> 16), exponent

    def saturate(x):
        return clamp(x, -32768, 32767)

    def high(a, b):
        return saturate((a * b + (1 << 14)) >> 15)

    fine_scale = f32(f32(1.0 / 128.0) * f32(source[0]))
    out, out_exponent = narrow(divided(fine_scale, f32(output[0])))
    need(out_exponent <= 0, "reference", "scales too far apart")
    gate_multiplier, exponent = narrow(divided(fine_scale, f32(3.0 / 32768.0)))

    def code(x):
        fine = (x - source[1]) * 128
        before, gate = high(fine, out), fine
        if exponent > 0:
            gate = saturate(gate << min(exponent - 1, 15))
        gate = high(gate, gate_multiplier)
        if exponent > 0:
            gate = saturate(gate << 1)
        gate = divide(gate, clamp(-exponent, 0, 31), "half-away")
        gate = (gate + (1 << 15)) >> 1
        product = saturate(divide(gate * before, 15, "toward-zero"))
        return within(divide(product, min(-out_exponent, 31), "half-away") + output[1], output)
    return code


def tables(contract, op, number, source, output):
    """The codes of most elements, and of the last of a tensor."""
    all_codes = range(ends(source)[0], ends(source)[1] + 1)
    qnnpack = contract == "qnnpack" and source[2] == "uint8"
    need(not (qnnpack and op == "sigmoid" and output[0] != 1.0 / 256.0), "reference", "QNNPACK has no such sigmoid")

    def exact(code):
        steps = function_f64(op, number, (code - source[1]) * source[0]) / output[0]
        return within(rint(steps) + output[1], output)

    def same(function):
        codes = [function(code) for code in all_codes]
        return codes, codes

    def single(code):
        return quantize(function_f32(op, number, dequantize(code, source), False), output)

    def vectorised(code):
        return quantize(function_f32(op, number, dequantize_fused(code, source), False), output)

    if contract == "exact":
        return same(exact)
    if contract == "onnxruntime":
        return same(lambda code: quantize_as(contract, function_f32(op, number, dequantize(code, source), True), output))
    if contract in ("litert", "litert-xnnpack"):
        need(op not in ("hardsigmoid", "elu", "gelu", "silu"), "reference", "no formula is known")
        f1, f3 = f32(source[0]), f32(output[0])
        quotient = divided(f1, f3)

        def fixed(positive, negative=None):
            factors = [fixed_point(x) for x in (positive, positive if negative is None else negative)]
            need(None not in factors, "reference", "scales too far apart")
            return lambda x: fixed_double(factors[x < 0], x)

        def coarse(positive, negative=None):
            factors = [coarse_factor(x) for x in (positive, positive if negative is None else negative)]
            return lambda x: (x * factors[x < 0] + 128) >> 8

        if op in ("sigmoid", "tanh") and contract == "litert":
            reciprocal = divided(1.0, f3)

            def litert(code):
                x = f32(f1 * (code - source[1]))
                return within(away(f32(function_f32(op, number, x, False) * reciprocal)) + output[1], output)
            return same(litert)
        if op in ("sigmoid", "tanh"):
            def xnnpack(code):
                x = dequantize(code, source)
                if op == "tanh":
                    y = f32(math.tanh(x))
                else:
                    power = exponential(x)
                    y = 1.0 if x > 100 else 0.0 if x < -100 else f32(power / (1.0 + power))
                return within(rint(f32(f32(y * divided(1.0, f3)) + output[1])), output)
            return same(xnnpack)
        if op == "hardswish":
            return same(hardswish_fixed(source, output))
        if op == "leaky_relu":
            if contract == "litert":
                scaled = fixed(quotient, divided(f32(f1 * f32(number)), f3))
            else:
                scaled = coarse(quotient, f32(quotient * f32(number)))
            return same(lambda code: within(scaled(code - source[1]) + output[1], output))
        unbounded = all(math.isinf(bound) for bound in number)
        if unbounded and contract == "litert-xnnpack":
            scaled = coarse(quotient)
            return same(lambda code: within(scaled(code - source[1]) + output[1], output))
        least, most = (quantize_as("litert", f32(bound), output) for bound in number)
        scaled = fixed(source[0] / output[0] if unbounded else quotient)
        return same(lambda code: max(min(within(scaled(code - source[1]) + output[1], output), most), least))
    if qnnpack and op == "hardswish":
        def lookup(code):
            x = function_f32(op, number, dequantize(code, source), False)
            return within(rint(f32(f32(x * divided(1.0, f32(output[0]))) + output[1])), output)
        return same(lookup)
    if op in ("sigmoid", "tanh", "gelu", "silu", "requantize") or (op == "hardsigmoid" and qnnpack):
        return same(single)
    return [vectorised(code) for code in all_codes], [single(code) for code in all_codes]


def floor_log2(x):
    return math.frexp(x)[1] - 1


def sums(contract, relu, a, b, output):
    """Ways to add two codes."""
    least = output[1] if relu else ends(output)[0]
    every = [(x, y) for x in range(ends(a)[0], ends(a)[1] + 1) for y in range(ends(b)[0], ends(b)[1] + 1)]

    def limited(code):
        return clamp(code, max(least, ends(output)[0]), ends(output)[1])

    if contract in ("fbgemm", "x86", "onednn"):
        def way(read):
            first = {x: read(x, a) for x in range(ends(a)[0], ends(a)[1] + 1)}
            second = {y: read(y, b) for y in range(ends(b)[0], ends(b)[1] + 1)}
            return [quantize(max(total, 0.0) if relu else total, output)
                    for total in (f32(first[x] + second[y]) for x, y in every)]
        return every, [way(dequantize_fused), way(dequantize)]
    if contract in ("qnnpack", "litert-xnnpack"):
        unsigned = contract == "qnnpack" and a[2] == "uint8"
        ratios = [divided(f32(x[0]), f32(output[0])) for x in (a, b)]
        need(all(math.isfinite(r) for r in ratios) and max(ratios) > 0, "reference", "scales too far apart")
        shift = (21 if unsigned else 20) - floor_log2(max(ratios))
        need(1 <= shift <= 62, "reference", "scales too far apart")
        first, second = (round(Fraction(r) * (1 << shift)) for r in ratios)
        rounding = "half-away" if unsigned else "half-up"
        return every, [[limited(divide((x - a[1]) * first + (y - b[1]) * second, shift, rounding) + output[1])
                        for x, y in every]]
    if contract == "onnxruntime":
        ra, rb = (divided(f32(x[0]), f32(output[0])) for x in (a, b))
        fixed = f32(output[1] - fma(ra, float(a[1]), f32(rb * b[1])))
        inner = {y: fma(rb, float(y), fixed) for y in range(ends(b)[0], ends(b)[1] + 1)}
        return every, [[limited(rint(fma(ra, float(x), inner[y]))) for x, y in every]]
    if contract == "litert":
        twice = 2.0 * max(a[0], b[0])
        factors = [fixed_point(x) for x in (a[0] / twice, b[0] / twice, twice / ((1 << 20) * output[0]))]
        need(None not in factors, "reference", "scales too far apart")
        first = {x: fixed_double(factors[0], wrap((x - a[1]) << 20)) for x in range(ends(a)[0], ends(a)[1] + 1)}
        second = {y: fixed_double(factors[1], wrap((y - b[1]) << 20)) for y in range(ends(b)[0], ends(b)[1] + 1)}
        return every, [[limited(fixed_double(factors[2], wrap(first[x] + second[y])) + output[1]) for x, y in every]]
    sa, sb = (Fraction(x[0]) / Fraction(output[0]) for x in (a, b))
    unit = sa.denominator * sb.denominator
    na, nb = int(sa * unit), int(sb * unit)
    return every, [[limited(even_quotient((x - a[1]) * na + (y - b[1]) * nb, unit) + output[1]) for x, y in every]]


def even_quotient(value, unit):
    """value / unit, ties to even."""
    quotient, rest = divmod(value, unit)
    return quotient + (2 * rest > unit or (2 * rest == unit and quotient & 1))


def products(contract, relu, a, b, output):
    """Ways to multiply two codes: they depend on the product alone."""
    least = max(output[1] if relu else ends(output)[0], ends(output)[0])
    every = [(x, y) for x in range(ends(a)[0], ends(a)[1] + 1) for y in range(ends(b)[0], ends(b)[1] + 1)]
    scales = f32(f32(a[0]) * f32(b[0]))
    quotient = divided(scales, f32(output[0]))
    if contract in PYTORCH or contract == "litert-xnnpack":
        factor = quotient if contract == "litert-xnnpack" else f32(scales * divided(1.0, f32(output[0])))
        function = lambda p: within(rint(f32(float(p) * factor)) + output[1], output)
    elif contract == "onnxruntime":
        function = lambda p: rint(f32(f32(float(p) * quotient) + output[1]))
    elif contract == "litert":
        factor = fixed_point(quotient)
        need(factor is not None, "reference", "scales too far apart")
        function = lambda p: fixed_double(factor, p) + output[1]
    else:
        ratio = Fraction(a[0]) * Fraction(b[0]) / Fraction(output[0])
        function = lambda p: even_quotient(p * ratio.numerator, ratio.denominator) + output[1]
    known = {}
    codes = []
    for x, y in every:
        p = (x - a[1]) * (y - b[1])
        if p not in known:
            known[p] = clamp(function(p), least, ends(output)[1])
        codes.append(known[p])
    return every, [codes]


def mean_codes(contract, op, window, source, output):
    """The cases, which are sums of a window's codes, and the ways to average them."""
    sizes, divisor = window["sizes"], window["divisor"]
    low, high = ends(source)
    size = prod(sizes)
    need(sizes and size >= 1 and size * size * (high - low + 1) <= LARGEST_SPACE, "reference", "too large a window")
    count = divisor if divisor is not None else size
    cases = range(size * low, size * high + 1)
    z1, z3, alone = source[1], output[1], all(extent == 1 for extent in sizes)
    qnnpack = contract == "qnnpack" and source[2] == "uint8"

    def after(divisor):
        factor = divided(1.0, f32(float(divisor)))
        return lambda total: rint(f32(f32(float(total - size * z1)) * factor)) + z1

    def before(divisor):
        factor = divided(1.0, f32(float(divisor)))
        return lambda total: rint(f32(f32(f32(float(total - size * z1)) * factor) + z1))

    def rescaled(divisor):
        factor = divided(f32(source[0]), f32(f32(output[0]) * f32(float(divisor))))
        return lambda total: rint(f32(f32(float(total - size * z1)) * factor)) + z3

    reciprocal = 1.0
    for extent in sizes:
        reciprocal = f32(reciprocal / extent)

    def raw(total):
        return rint(f32(f32(float(total)) * reciprocal))

    def half_away(total):
        value = total - size * z1 + z1 * count
        magnitude = (abs(value) + count // 2) // count
        return magnitude if value >= 0 else -magnitude

    def exact(total):
        return round((total - size * z1) * Fraction(source[0]) / (Fraction(output[0]) * count)) + z3

    pytorch = contract in PYTORCH
    if op == "mean":
        reduced = window["axes"]
        whole = len(sizes) == 2 and sorted(reduced) == [2, 3]
        need(len(set(reduced)) == len(reduced) and all(2 <= axis < len(sizes) + 2 for axis in reduced), "operator",
             "axes that are none")
        need(contract not in ("onnxruntime", "litert-xnnpack"), "reference", "a mean of floats")
        need(not pytorch or (qnnpack and whole), "reference", "a mean of floats")
    if contract == "exact":
        ways = [exact]
    elif op == "mean" and pytorch:
        ways = [rescaled(size)] * 2
    elif op == "mean":
        factor = fixed_point(source[0] / output[0])
        need(factor is not None, "reference", "scales too far apart")
        shift = max(min(min(size.bit_length() - 1, 32), 31 + factor[1]), 0)
        multiplier = (factor[0] << shift) // size
        need(multiplier < 1 << 31, "reference", "a mean of too many codes")
        folded = multiplier, factor[1] - shift
        ways = [lambda total: fixed_double(folded, wrap(total - size * z1)) + z3]
    elif contract in ("litert", "litert-xnnpack"):
        need(source == output, "reference", "a result with a scale of its own")
        ways = [half_away]
    elif contract == "onnxruntime":
        need(op == "adaptive_avg_pool", "reference", "a sum of floats")
        ways = [rescaled(count)]
    elif op == "avg_pool":
        by_qnnpack = qnnpack and len(sizes) <= 2
        volume = len(sizes) == 3
        ways = [rescaled(size)] * 2 if by_qnnpack else [after(count), after(count) if alone or volume else before(count)]
    else:
        need(len(sizes) < 3, "reference", "a mean of floats")
        ways = [rescaled(size)] * 2 if qnnpack else [after(size), after(size) if alone else raw]
    return cases, [[within(way(total), output) for total in cases] for way in ways]


def gains(norm, source, output):
    """alpha and beta of each channel, in float32 in PyTorch's order."""
    need(norm["epsilon"] is not None, "reference", "no epsilon")
    f1, f3, epsilon = f32(source[0]), f32(output[0]), f32(norm["epsilon"])
    found = []
    for weight, bias, mean, variance in zip(*(map(f32, norm[key]) for key in ("weight", "bias", "mean", "variance"))):
        total = f32(variance + epsilon)
        need(total > 0, "reference", "a variance that is none")
        gain = f32(weight * divided(1.0, f32(math.sqrt(total))))
        found.append((f32(gain * divided(f1, f3)), divided(f32(bias - f32(mean * gain)), f3)))
    return found


class Operator:
    """An operator of the network, and everything that can enter it."""

    def __init__(self, network, entry):
        certificate = network.certificate
        self.entry, self.counted = entry, entry["counted"]
        self.contract, self.rounding = certificate["contract"], certificate["target"]["rounding"]
        self.node = network.by_name[entry["name"]]
        edges = [network.edges[id_] for id_ in self.node["inputs"]]
        output = network.edge(self.node["outputs"], 0)
        need(all(edges) and output, "operator", "its input or output has no codes")
        self.inputs, self.output = [network.activation(edge) for edge in edges], network.activation(output)
        self.unsigned = self.node["fusion"] == "unsigned"
        need(not (self.contract == "onnxruntime" and self.node["fusion"] == "floats"), "reference",
             "the engine computes it on floats, which is not counted")

    def none(self):
        raise Fault("operator", "has numbers that are none of its operation")

    def check(self):
        op = self.node["op"]
        self.which, self.detail = next(iter(self.node["detail"].items())) if self.node["detail"] else (None, None)
        integers = self.counted["integers"]
        self.form, self.integers = (integers, None) if type(integers) is str else next(iter(integers.items()))
        needed = {"add": "relu", "mul": "relu", "cat": "requantizes", "clamp": "bounds", "requantize": "bounds",
                  "leaky_relu": "number", "elu": "number", "batch_norm": "batch_norm", "avg_pool": "window",
                  "adaptive_avg_pool": "window", "mean": "window"}
        if op not in list(needed) + FUNCTIONS or self.which != needed.get(op):
            self.none()
        if op == "batch_norm":
            lengths = {len(self.detail[key]) for key in ("weight", "bias", "mean", "variance")}
            if len(lengths) != 1 or 0 in lengths:
                self.none()
        if self.which == "window":
            if self.detail["divisor"] is not None and self.detail["divisor"] <= 0:
                self.none()
            if op != "avg_pool" and self.detail["divisor"] is not None:
                self.none()
            if (op == "mean") != (self.detail["axes"] is not None):
                self.none()
        limits = self.counted["clamp"]
        self.limits = limits["min"], limits["max"]
        low, high = ends(self.output)
        need(low <= self.limits[0] <= self.limits[1] <= high, "clamp", "clamps to what is no range of its codes")
        forms = {"add": "sum", "mul": "product", "cat": "concatenation", "batch_norm": "channel_scale", "clamp": "clamp",
                 "avg_pool": "mean", "adaptive_avg_pool": "mean", "mean": "mean"}
        if self.form != forms.get(op, "table") or len(self.inputs) != {"add": 2, "mul": 2}.get(op, len(self.inputs)) or \
                (op not in ("add", "mul", "cat") and len(self.inputs) != 1):
            self.none()
        scales = {"sum": [self.integers], "product": [self.integers], "mean": [self.integers],
                  "channel_scale": [self.integers], "concatenation": self.integers}.get(self.form, [])
        if any(scale is not None and not -63 <= scale["shift"] <= 127 for scale in scales):
            self.none()
        if self.form == "concatenation" and len(scales) != len(self.inputs) or \
                self.form == "table" and len(self.integers) != 256 or \
                self.form == "channel_scale" and len(self.integers["multipliers"]) != len(self.integers["offsets"]):
            self.none()
        if self.which == "window" and (prod(self.detail["sizes"]) == 0 or prod(self.detail["sizes"]) >= 1 << 63):
            self.none()
        need(all(ends(a)[1] - ends(a)[0] == 255 for a in self.inputs), "reference", "activations of 16 bits")
        cases, ours, ways = getattr(self, {"requantize": "function"}.get(op, "function" if op in FUNCTIONS else op))()
        differing, largest, example = 0, 0, None
        for index, (case, hardware) in enumerate(zip(cases, ours)):
            reference = hardware
            for way in ways:
                if abs(way[index] - hardware) > abs(reference - hardware):
                    reference = way[index]
            distance = abs(reference - hardware)
            differing += distance > 0
            if distance > largest:
                largest = distance
                example = {"inputs": list(case) if type(case) is tuple else [case], "reference": reference,
                           "hardware": hardware}
        found = {"cases": len(cases), "differing": differing, "largest": largest, "example": example}
        claimed = {key: self.counted[key] for key in found}
        need(claimed == found, "difference", f"says {claimed}; found {found}")

    def code(self, value, shift):
        return clamp(divide(value, shift, self.rounding) + self.output[1], *self.limits)

    def as_unsigned(self, make):
        """ONNX Runtime computes signed codes as unsigned ones."""
        activations = self.inputs + [self.output]
        if not (self.unsigned and self.contract == "onnxruntime" and all(a[2] == "int8" for a in activations)):
            return make(self.inputs, self.output)
        moved = [(scale, zero_point + 128, "uint8") for scale, zero_point, _ in activations]
        cases, ways = make(moved[:-1], moved[-1])
        back = [tuple(code - 128 for code in case) for case in cases]
        return back, [[code - 128 for code in way] for way in ways]

    def add(self):
        cases, ways = self.as_unsigned(lambda i, o: sums(self.contract, self.detail, i[0], i[1], o))
        (za, zb), (ma, mb) = (a[1] for a in self.inputs), self.integers["multipliers"]
        shift = self.integers["shift"]
        return cases, [self.code(ma * (x - za) + mb * (y - zb), shift) for x, y in cases], ways

    def mul(self):
        cases, ways = self.as_unsigned(lambda i, o: products(self.contract, self.detail, i[0], i[1], o))
        (za, zb), scale = (a[1] for a in self.inputs), self.integers
        known = {}
        for x, y in cases:
            p = (x - za) * (y - zb)
            if p not in known:
                known[p] = self.code(scale["multiplier"] * p, scale["shift"])
        return cases, [known[(x - za) * (y - zb)] for x, y in cases], ways

    def cat(self):
        differs = any(source != self.output for source in self.inputs)
        tflite = self.contract in ("litert", "litert-xnnpack")
        need(not (differs and tflite and self.output[2] != "uint8"), "reference", "inputs of other scales")
        cases, ours, plain, fused = [], [], [], []
        for row in range(256):
            for source, scale in zip(self.inputs, self.integers):
                code = ends(source)[0] + row
                cases.append(code)
                ours.append(clamp(code, *self.limits) if scale is None
                            else self.code(scale["multiplier"] * (code - source[1]), scale["shift"]))
                if source == self.output:
                    plain.append(code)
                    fused.append(code)
                elif self.contract == "exact":
                    plain.append(quantize_exact((code - source[1]) * Fraction(source[0]), self.output))
                elif self.contract == "onnxruntime":
                    plain.append(quantize_as("onnxruntime", dequantize(code, source), self.output))
                elif tflite:
                    scale = f32(f32(source[0]) * divided(1.0, f32(self.output[0])))
                    real = f32(f32(float(code) * scale) + f32(-float(source[1]) * scale))
                    plain.append(within(away(real) + self.output[1], self.output))
                else:
                    plain.append(quantize(dequantize(code, source), self.output))
                    fused.append(quantize(dequantize_fused(code, source), self.output))
        return cases, ours, [plain, fused] if self.contract in PYTORCH else [plain]

    def clamp(self):
        source, contract = self.inputs[0], self.contract
        need(not (contract == "qnnpack" and source[2] == "uint8"), "reference", "QNNPACK's clamp moves codes")
        least, most = bounds = [sign * INFINITY if self.detail[key] is None else self.detail[key]
                                for key, sign in (("min", -1), ("max", 1))]

        def bound(x):
            if contract == "exact" and math.isfinite(x):
                return quantize_exact(Fraction(x), source)
            if contract in PYTORCH or contract == "exact":
                return quantize(f32(x), source)
            return quantize_as("onnxruntime" if contract == "onnxruntime" else "litert", f32(x), source)

        least, most = map(bound, bounds)
        cases = range(ends(source)[0], ends(source)[1] + 1)
        return cases, [clamp(code, *self.limits) for code in cases], [[min(max(code, least), most) for code in cases]]

    def function(self):
        source, op = self.inputs[0], self.node["op"]
        number = self.detail
        if op == "requantize":
            number = [sign * INFINITY if self.detail[key] is None else self.detail[key]
                      for key, sign in (("min", -1), ("max", 1))]
        codes, tail = tables(self.contract, op, number, source, self.output)
        cases = range(ends(source)[0], ends(source)[1] + 1)
        ours = [clamp(code, *self.limits) for code in self.integers]
        return cases, ours, [codes, tail] if self.contract in PYTORCH else [codes]

    def batch_norm(self):
        source, output, relu = self.inputs[0], self.output, self.detail["relu"]
        factors = gains(self.detail, source, output)
        low, high = ends(output)
        least = max(low, output[1]) if relu else low
        multipliers, offsets = self.integers["multipliers"], self.integers["offsets"]
        need(len(multipliers) == len(factors), "reference", "another number of channels")
        cases, ours, way = [], [], []
        for code in range(ends(source)[0], ends(source)[1] + 1):
            x = code - source[1]
            for (alpha, beta), multiplier, offset in zip(factors, multipliers, offsets):
                cases.append(code)
                ours.append(self.code(multiplier * x + offset, self.integers["shift"]))
                way.append(clamp(rint(fma(alpha, float(x), beta)) + output[1], least, high))
        return cases, ours, [way]

    def means(self):
        source, window = self.inputs[0], self.detail
        cases, ways = mean_codes(self.contract, self.node["op"], window, source, self.output)
        size, scale = prod(window["sizes"]), self.integers
        ours = [self.code(scale["multiplier"] * (total - size * source[1]), scale["shift"]) for total in cases]
        return cases, ours, ways

    avg_pool = adaptive_avg_pool = mean = means


# The whole.

def check(data):
    """A line about a certificate that is proven again; a fault else."""
    certificate = read(data)
    need(certificate["contract"] in CONTRACTS, "contract", f"found {certificate['contract']!r}")
    need(digest(certificate) == certificate["sha256"], "digest", "sha256 is not that of the file")
    hexadecimal = certificate["parameters_sha256"]
    need(len(hexadecimal) == 64 and set(hexadecimal) <= set("0123456789abcdef") and set(hexadecimal) != {"0"}, "digest",
         "parameters_sha256 is no digest")
    target = certificate["target"]
    need(2 <= target["accumulator_bits"] <= 64 and 2 <= target["product_bits"] <= 64
         and target["bias_fraction_bits"] <= 24, "register", "registers of 2 to 64 bits")
    network = Network(certificate)
    network.check()
    for layer in certificate["layers"]:
        network.check_layer(layer)
    for entry in certificate["operators"]:
        need((entry["counted"] is None) != (entry["unproven"] is None), "operator", "is counted and unproven, or neither")
        if entry["counted"]:
            Operator(network, entry).check()
    return certificate


def summary(certificate):
    differences = [channel["difference"] for layer in certificate["layers"] for channel in layer["channels"]]
    counted = [entry["counted"] for entry in certificate["operators"] if entry["counted"]]
    unproven = [entry["name"] for entry in certificate["operators"] if entry["unproven"] is not None]
    words = f"{len(differences)} channels against {certificate['contract']}, " \
            f"{sum(d['differing'] for d in differences)} of {sum(d['reachable'] for d in differences)} accumulators differ"
    if counted:
        words += f"; {sum(c['differing'] > 0 for c in counted)} of {len(counted)} operators differ"
    return words + (f"; not proven: {', '.join(map(ascii, unproven))}" if unproven else "")


# A folder of parameters.

def arrays_of(path):
    """The arrays of an .npz archive, in its order."""
    formats = {"|u1": "B", "|i1": "b", "<u2": "H", "<i2": "h", "<u4": "I", "<i4": "i", "<u8": "Q", "<i8": "q",
               "<f4": "f", "<f8": "d"}
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            need(data[:6] == b"\x93NUMPY", "parameters", f"{name} is no array")
            start, size = (12, struct.unpack("<I", data[8:12])[0]) if data[6] > 1 else (10, struct.unpack("<H", data[8:10])[0])
            header = data[start:start + size].decode("latin1")
            kind = header.split("'descr':")[1].split("'")[1]
            shape = [int(n) for n in header.split("'shape':")[1].split("(")[1].split(")")[0].split(",") if n.strip()]
            body = data[start + size:]
            found[name.removesuffix(".npy")] = shape, list(struct.unpack(f"<{prod(shape)}{formats[kind]}", body))
    return found


def compare(certificate, folder):
    """Every number of the certificate is that of a folder."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    digests = {}
    for entry in manifest["files"]:
        with open(os.path.join(folder, entry["name"]), "rb") as file:
            digests[entry["name"]] = hashlib.sha256(file.read()).hexdigest()
        need(digests[entry["name"]] == entry["sha256"], "parameters", f"{entry['name']} is not the file that is listed")
    need("params.npz" in digests, "parameters", "the folder has no params.npz")
    need(digests["params.npz"] == certificate["parameters_sha256"], "parameters", "params.npz has another digest")
    names = [layer["name"] for layer in certificate["layers"]]
    need([layer["name"] for layer in manifest["layers"]] == names, "parameters", "other layers")
    arrays = arrays_of(os.path.join(folder, "params.npz"))
    network, fraction = Network(certificate), certificate["target"]["bias_fraction_bits"]
    for layer in certificate["layers"]:
        node, weight, channels = network.by_name[layer["name"]], layer["weight"], layer["channels"]
        source, output = network.edge(node["inputs"], 0), network.edge(node["outputs"], 0)
        offset = weight["offset"]
        codes = [w + offset for w in memoryview(base64.b64decode(weight["codes"])).cast("b")]
        constants = [channel["constant"] for channel in channels]
        expected = {
            "weight": codes, "weight_scale": weight["scale"],
            "weight_zero_point": [z + offset for z in weight["zero_point"]],
            "bias": None if fraction else [channel["bias"] for channel in channels],
            "multiplier": [channel["multiplier"] for channel in channels],
            "shift": [channel["shift"] - fraction for channel in channels],
            "input_scale": [source["scale"]], "output_scale": [output["scale"]],
            "input_zero_point": [source["zero_point"]], "output_zero_point": [output["zero_point"]],
            "input_range": [source["range"]["min"], source["range"]["max"]],
            "clamp": [layer["clamp"]["min"], layer["clamp"]["max"]],
        }
        for key, values in expected.items():
            found = arrays.get(f"{layer['name']}/{key}")
            need(values is None or (found is not None and found[1] == values), "parameters",
                 f"{layer['name']}: its {key} is another one")
        found = arrays.get(f"{layer['name']}/rounding_constant")
        need((found[1] if found else [None] * len(channels)) == constants, "parameters", f"{layer['name']}: its constants")
        need(arrays[f"{layer['name']}/weight"][0] == weight["shape"], "parameters", f"{layer['name']}: its sizes")
    for entry in certificate["operators"]:
        if not entry["counted"]:
            continue
        for key, values in operator_arrays(entry["counted"]).items():
            found = arrays.get(f"{entry['name']}/{key}")
            need(found is not None and found[1] == values, "parameters", f"{entry['name']}: its {key} is another one")


def operator_arrays(counted):
    """The integers of an operator as params.npz has them; of a mean they may be those of another window."""
    if counted["integers"] == "clamp":
        return {"clamp": [counted["clamp"]["min"], counted["clamp"]["max"]]}
    (form, integers), = counted["integers"].items()
    if form == "table":
        return {"table": integers}
    arrays = {"clamp": [counted["clamp"]["min"], counted["clamp"]["max"]]}
    if form == "concatenation":
        arrays["multiplier"] = [1 if scale is None else scale["multiplier"] for scale in integers]
        arrays["shift"] = [0 if scale is None else scale["shift"] for scale in integers]
    elif form != "mean":
        arrays["multiplier"] = integers.get("multipliers", [integers.get("multiplier")])
        arrays["shift"] = [integers["shift"]]
        if form == "channel_scale":
            arrays["offset"] = integers["offsets"]
    return arrays


def main(arguments):
    folder = None
    if "--parameters" in arguments:
        place = arguments.index("--parameters")
        folder = arguments[place + 1]
        arguments = arguments[:place] + arguments[place + 2:]
    faults = 0
    for path in arguments:
        try:
            if path == "-":
                data = sys.stdin.buffer.read()
            else:
                with open(path, "rb") as file:
                    data = file.read()
            certificate = check(data)
            bound = "not bound to parameters (--parameters DIR binds it)"
            if folder is not None:
                compare(certificate, folder)
                bound = f"bound to {folder}"
            print(f"{path}: confirmed: {summary(certificate)}; {bound}")
        except Fault as fault:
            faults += 1
            print(f"{path}: refused: {fault.kind}: {ascii(str(fault))}")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
