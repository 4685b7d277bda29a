#!/usr/bin/env python3
"""Checks a certificate of gen_params again, by other means: check_certificate.py FILE, or - for standard input.

Both arithmetics are written here from their equations, with struct for float32 and integers for the hardware. A step is
found by halving the range until both ends give one code; then every stretch between steps of either is compared. Exits
with 0 if the certificate says what is found, 1 if not.
"""
import json
import struct
import sys
from fractions import Fraction


def f32(x):
    """The float32 nearest to a float. Products and sums of two float32 survive the float64 between without harm."""
    return struct.unpack("<f", struct.pack("<f", x))[0]


def f32_of_exact(x):
    """The float32 nearest to a fraction, ties to even: the one beside the float64's may be nearer."""
    bits = struct.unpack("<i", struct.pack("<f", float(x)))[0]
    near = [b for b in (bits - 1, bits, bits + 1) if b != -1]
    value = {b: struct.unpack("<f", struct.pack("<i", b))[0] for b in near}
    return value[min(near, key=lambda b: (abs(Fraction(value[b]) - x), b & 1))]


def clamp(x, low, high):
    return max(low, min(high, x))


def reference_code(reference, accumulator):
    (name, constants), = reference["arithmetic"].items()
    zero_point, limits = reference["zero_point"], reference["clamp"]
    if name == "exact":
        return limits["min"] + sum(first <= accumulator for first in constants["thresholds"])
    if name == "fixed":
        code = fixed_product(accumulator + constants["bias"], constants["factor"], constants["rounding"])
        return clamp(code + zero_point, limits["min"], limits["max"])
    c = {key: f32(value) for key, value in constants.items()}
    if name == "rounded":
        real = f32(f32(accumulator + constants["bias"]) * c["multiplier"])
        return round(clamp(real, limits["min"] - zero_point, limits["max"] - zero_point)) + zero_point
    if name == "onednn":
        real = f32(f32(f32(accumulator) * c["scale"]) + c["bias"])
        code = round(f32(f32(real * c["multiplier"]) + zero_point))
    else:
        if name == "fbgemm_per_channel":
            real = f32(f32(accumulator) + c["addend"])
        elif name == "fbgemm_per_tensor":
            real = f32_of_exact(Fraction(c["bias"]) * Fraction(c["reciprocal"]) + Fraction(f32(accumulator)))
        elif name == "qnnpack":
            real = f32(accumulator + constants["bias"])
        else:
            raise ValueError(f"unknown arithmetic {name}")
        code = clamp(clamp(round(f32(real * c["multiplier"])), -32768, 32767) + zero_point, -32768, 32767)
    return clamp(code, limits["min"], limits["max"])


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


def fixed_product(value, factor, rounding):
    """value * multiplier * 2^(exponent - 31), as TFLite rounds it."""
    multiplier, exponent = factor["multiplier"], factor["exponent"]
    if rounding == "double":
        high = divide((value << max(exponent, 0)) * multiplier, 31, "half-up")
        return divide(high, max(-exponent, 0), "half-away")
    if rounding == "reduced":
        return divide(value * min((multiplier + (1 << 15)) >> 16, 0x7FFF), 15 - exponent, "half-up")
    return divide(value * multiplier, 31 - exponent, "half-up")


def hardware_code(hardware, accumulator):
    product = ((accumulator << hardware["bias_fraction_bits"]) + hardware["bias"]) * hardware["multiplier"]
    if hardware["constant"] is not None:
        shifted = divide(product + hardware["constant"], hardware["shift"], "floor")
    else:
        shifted = divide(product, hardware["shift"], hardware["rounding"])
    return clamp(shifted + hardware["zero_point"], hardware["clamp"]["min"], hardware["clamp"]["max"])


def stretches(code, low, high):
    """The accumulators at which a function that never falls takes another value, by halving; low is one of them."""
    found, pending = {low: code(low)}, [(low, code(low), high, code(high))]
    while pending:
        a, code_a, b, code_b = pending.pop()
        if code_a > code_b:
            raise ValueError(f"falls between {a} and {b}")
        if code_a == code_b:
            continue
        if b - a == 1:
            found[b] = code_b
            continue
        middle = (a + b) // 2
        code_middle = code(middle)
        pending += [(a, code_a, middle, code_middle), (middle, code_middle, b, code_b)]
    return found


def is_tie(real, accumulator, level):
    """Whether the exact output lies halfway between level - 1 and level."""
    scales = [Fraction(real[key]) for key in ("input_scale", "weight_scale", "output_scale")]
    exact = ((accumulator + real["bias_code"]) * scales[0] * scales[1] + Fraction(f32(real["bias"]))) / scales[2]
    return exact == level - Fraction(1, 2)


def occurring(runs, start, end):
    """How many accumulators from start to end, which is not one of them, occur, and the first of them."""
    count, first = 0, None
    for run in runs:
        step = run["step"]
        begin = max(run["first"], run["first"] + -(-(start - run["first"]) // step) * step)
        last = min(run["last"], end - 1)
        if begin <= last:
            count += (last - begin) // step + 1
            first = begin if first is None else first
    return count, first


def prove(channel):
    low, high = channel["accumulator"]["min"], channel["accumulator"]["max"]
    runs = channel.get("sums", {"runs": [{"first": low, "last": high, "step": 1}]})["runs"]
    ends = [run[end] for run in runs for end in ("first", "last")]
    aligned = all(run["step"] >= 1 and (run["last"] - run["first"]) % run["step"] == 0 for run in runs)
    apart = all(a["last"] < b["first"] for a, b in zip(runs, runs[1:]))
    if not aligned or not apart or ends != sorted(ends) or (ends[0], ends[-1]) != (low, high):
        raise ValueError("runs of accumulators that are not those of the range")
    limits = channel["hardware"]["clamp"]
    functions = [
        lambda a: clamp(reference_code(channel["reference"], a), limits["min"], limits["max"]),
        lambda a: hardware_code(channel["hardware"], a),
    ]
    changes = [stretches(function, low, high) for function in functions]
    starts = sorted(set(changes[0]) | set(changes[1]))
    differing, first, largest, only_ties, codes = 0, None, None, True, [0, 0]
    for start, end in zip(starts, starts[1:] + [high + 1]):
        codes = [change.get(start, code) for change, code in zip(changes, codes)]
        distance = abs(codes[0] - codes[1])
        if distance == 0:
            continue
        count, accumulator = occurring(runs, start, end)
        if count == 0:
            continue
        witness = {"accumulator": accumulator, "reference": codes[0], "hardware": codes[1]}
        differing += count
        first = first or witness
        if largest is None or distance > abs(largest["reference"] - largest["hardware"]):
            largest = witness
        level = max(codes) - channel["hardware"]["zero_point"]
        only_ties = only_ties and distance == 1 and count == 1 and is_tie(channel["real"], accumulator, level)
    counts = {"reachable": occurring(runs, low, high + 1)[0], "differing": differing, "first": first, "largest": largest}
    return counts, only_ties


def main(path):
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
        certificate = json.load(file)
    if certificate["schema"] != 1:
        raise ValueError(f"schema {certificate['schema']}, expected 1")
    checked, faults = 0, 0
    for layer in certificate["layers"]:
        for index, entry in enumerate(layer["channels"]):
            found = prove(entry["channel"])
            checked += 1
            if found != (entry["difference"], entry["only_ties"]):
                faults += 1
                print(f"{layer['name']}, channel {index}: says {entry['difference']}, {entry['only_ties']}; found {found}")
    print(f"{checked} channels against {certificate['contract']}: {faults} are not as the certificate says")
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
