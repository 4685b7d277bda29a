"""One question that is put to an engine and to gen_params: a model, an input, and the codes the engine gave."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Case:
    """A network and what an engine made of one input.

    operator     row of the table
    engine       column of the table: fbgemm, x86, onednn, qnnpack, onnxruntime, litert, litert-xnnpack
    contract     what `gen_params run --contract` is given
    files        the model's files by name, the model first, others beside it
    model        name of the model's file
    input        what `run --input` is given: codes, or reals that the network quantizes itself; the first axis is the batch
    expected     the codes the engine gave, of the network's only output
    description  sizes, scales, layout: what a reader needs to repeat it
    again        the engine's codes for another input of the same model, where it takes one; makes a failing case smaller
    """

    operator: str
    engine: str
    contract: str
    files: dict[str, bytes]
    model: str
    input: np.ndarray
    expected: np.ndarray
    description: str
    again: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False, compare=False)
