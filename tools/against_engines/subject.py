"""Runs `gen_params run` on a case."""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from case import Case

# Warnings that say of a node that its codes may not be the engine's. Others (saturating inputs, wide accumulators, an
# engine's oddity that is reproduced) promise the engine's codes.
WARNS_OF_CODES = re.compile(r"not reproduced|differs? by one|may differ|may be rounded|not the engine's|in floats", re.I)


@dataclass
class Answer:
    """What gen_params made of a case: its codes, or why there are none."""

    codes: np.ndarray | None
    warnings: list[str]
    refusal: str = ""

    @property
    def warns(self) -> bool:
        return any(WARNS_OF_CODES.search(warning) for warning in self.warnings)


def run(gen_params: Path, case: Case, array: np.ndarray) -> Answer:
    """The codes for `array`, all images computed together, on one thread."""
    with tempfile.TemporaryDirectory(prefix="against_engines_") as folder:
        for name, content in case.files.items():
            (Path(folder) / name).write_bytes(content)
        np.save(Path(folder) / "input.npy", np.ascontiguousarray(array))
        command = [str(gen_params), "run", case.model, "--input", "input.npy", "--contract", case.contract]
        command += ["--batch", str(max(1, array.shape[0] if array.ndim else 1)), "--json"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, env=os.environ | {"RAYON_NUM_THREADS": "1"}
        )
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    if done.returncode != 0:
        return Answer(None, warnings, done.stderr.strip() or f"exit code {done.returncode}")
    outputs = json.loads(done.stdout)["outputs"]
    if len(outputs) != 1:
        return Answer(None, warnings, f"{len(outputs)} outputs, expected one")
    images = np.array(outputs[0]["codes"], dtype=np.int64)
    return Answer(images.reshape(-1, *outputs[0]["shape"]), warnings)


def differing(answer: Answer, expected: np.ndarray) -> np.ndarray:
    """Where the codes are not those expected, by image; another shape is a difference everywhere."""
    expected = expected.astype(np.int64)
    images = expected.reshape(expected.shape[0] if expected.ndim else 1, -1)
    if answer.codes is None or answer.codes.shape != expected.shape:
        return np.ones(images.shape, bool)
    return answer.codes.reshape(images.shape) != images
