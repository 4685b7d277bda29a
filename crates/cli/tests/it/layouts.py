"""Codes in the layouts of a machine's memory, written by plain loops: python3 layouts.py check|write FOLDER

`check` compares the files of golden values with the lists (.txt) beside them; `write` writes a dump into FOLDER/dump from the
lists in FOLDER/golden, with other numbers in every lane that is padding, and one code changed where the arguments say so:
`write FOLDER FORMAT POINT IMAGE CHANNEL ROW COLUMN`.
"""
import ast
import json
import math
import os
import pathlib
import struct
import sys

PADDING = 0xa5  # What hardware may leave in lanes that nobody reads.


def tiles(shape, at, padding):
    """NHWC4c in words of four lanes, the first in the lowest bits: one bank."""
    n, c, h, w = shape
    entries = []
    for image in range(n):
        for row in range(h):
            for column in range(w):
                for block in range(0, c, 4):
                    lanes = [at(image, k, row, column) if k < c else padding for k in range(block, block + 4)]
                    entries.append(sum(code << 8 * lane for lane, code in enumerate(lanes)))
    return [entries]


def banks(shape, at, padding):
    """HWC of each image, three lanes with the first in the highest bits of words of 32, high byte first, in turn in two
    banks, filled up to eight words."""
    n, c, h, w = shape
    codes = [at(i, k, row, column) for i in range(n) for row in range(h) for column in range(w) for k in range(c)]
    codes += [padding] * (-len(codes) % 3)
    words = [codes[i] << 16 | codes[i + 1] << 8 | codes[i + 2] for i in range(0, len(codes), 3)]
    words += [0] * (len(words) % 2)
    both = [words[0::2], words[1::2]]
    return [bank + [0] * (-len(bank) % 8) for bank in both]


LAYOUTS = {"tiles": (tiles, "little"), "banks": (banks, "big")}


def text(form, words, byte_order):
    """A file of 32-bit words, as the format's own specification has it."""
    data = b"".join(word.to_bytes(4, byte_order) for word in words)
    if form == "hex":
        return "".join(f"{word:08x}\n" for word in words)
    if form == "bin":
        return "".join(f"{word:032b}\n" for word in words)
    if form == "dec":
        return "".join(f"{word}\n" for word in words)
    if form == "csv":
        return "address,word\n" + "".join(f"{address},{word}\n" for address, word in enumerate(words))
    if form == "coe":
        rows = ",\n".join(f"{word:x}" for word in words)
        return f"memory_initialization_radix=16;\nmemory_initialization_vector=\n{rows};\n"
    if form == "mif":
        rows = "".join(f"{address} : {word:x};\n" for address, word in enumerate(words))
        return (f"WIDTH=32;\nDEPTH={len(words)};\nADDRESS_RADIX=UNS;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n{rows}END;\n")
    if form == "raw":
        return data
    if form == "npy":
        header = f"{{'descr': '<u4', 'fortran_order': False, 'shape': ({len(words)},), }}".ljust(117) + "\n"
        return (b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                + struct.pack(f"<{len(words)}I", *words))
    if form == "ihex":
        records = []
        for start in range(0, len(data), 16):
            part = data[start:start + 16]
            body = bytes([len(part), start >> 8 & 255, start & 255, 0]) + part
            records.append(body)
        records.append(bytes([0, 0, 0, 1]))
        return "".join(f":{(body + bytes([-sum(body) & 255])).hex().upper()}\n" for body in records)
    raise ValueError(form)


def words_of(path, byte_order):
    """The words of a file that gen_params wrote."""
    if path.suffix == ".raw":
        data = path.read_bytes()
        return [int.from_bytes(data[i:i + 4], byte_order) for i in range(0, len(data), 4)]
    lines = path.read_text().splitlines()
    return [int(line, 16) for line in lines if not line.startswith("//")]


def points(golden):
    """Stem, shape as (N, C, H, W), and the code at a place, of every point with codes."""
    for tensor in json.loads((golden / "golden.json").read_text())["tensors"]:
        if tensor["stage"] not in ("input", "output"):
            continue
        stem = tensor["files"][0].split(".")[0].split("_bank")[0]
        codes = ast.literal_eval((golden / f"{stem}.txt").read_text())
        shape = (tensor["shape"] + [1, 1])[:4]
        assert math.prod(shape) == len(codes), stem
        n, c, h, w = shape
        yield stem, shape, lambda i, k, y, x, codes=codes, c=c, h=h, w=w: codes[((i * c + k) * h + y) * w + x] & 255


def check(folder, name):
    layout, byte_order = LAYOUTS[name]
    golden = pathlib.Path(folder) / "golden"
    files = 0
    for stem, shape, at in points(golden):
        expected = layout(shape, at, 0)
        for form in ("hex", "raw"):
            names = [f"{stem}_bank{i}.{form}" for i in range(len(expected))] if len(expected) > 1 else [f"{stem}.{form}"]
            for file, words in zip(names, expected):
                found = words_of(golden / file, byte_order)
                assert found == words, (file, found[:8], words[:8])
                files += 1
    print(f"{files} files are as they should be")


def write(folder, name, form, point=None, *place):
    layout, byte_order = LAYOUTS[name]
    golden, dump = pathlib.Path(folder) / "golden", pathlib.Path(folder) / "dump"
    os.makedirs(dump, exist_ok=True)
    place = tuple(map(int, place))
    for stem, shape, at in points(golden):
        changed = lambda *where: at(*where) ^ (1 if stem == point and where == place else 0)
        memory = layout(shape, changed, PADDING)
        for index, words in enumerate(memory):
            file = f"{stem}_bank{index}.{form}" if len(memory) > 1 else f"{stem}.{form}"
            content = text(form, words, byte_order)
            (dump / file).write_bytes(content if isinstance(content, bytes) else content.encode())


{"check": check, "write": write}[sys.argv[1]](*sys.argv[2:])
