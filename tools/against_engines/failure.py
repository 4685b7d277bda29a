"""Makes a failing case small and keeps it in a folder that says what it is."""

import re
from pathlib import Path

import numpy as np

from case import Case
from subject import Answer, differing, run


def smaller(gen_params: Path, case: Case, wrong: np.ndarray) -> tuple[Case, Answer] | None:
    """The case with one of its differing images, where it differs by itself; `wrong` as `differing` gives it."""
    if case.again is None or wrong.shape[0] < 2:
        return None
    for image in np.flatnonzero(wrong.any(axis=1))[:8]:
        array = case.input[image : image + 1]
        expected = case.again(array)
        one = Case(
            case.operator, case.engine, case.contract, case.files, case.model, array, expected, case.description
        )
        answer = run(gen_params, one, array)
        if differing(answer, expected).any():
            return one, answer
    return None


def size(case: Case) -> int:
    """What a reader has to look at, in bytes."""
    return sum(map(len, case.files.values())) + case.input.nbytes + case.expected.nbytes


def save(directory: Path, case: Case, answer: Answer, versions: str, seed: str) -> Path:
    """Writes the case with what both sides gave; replaces an earlier one of its operator and engine."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{case.engine}_{case.operator}")
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for file, content in case.files.items():
        (folder / file).write_bytes(content)
    np.save(folder / "input.npy", np.ascontiguousarray(case.input))
    np.save(folder / "expected.npy", case.expected)
    lines = [
        f"# {case.operator}, {case.engine}",
        "",
        case.description,
        "",
        f"Expected is what the engine gave ({versions}; seed {seed}). Run it with",
        "",
        f"    gen_params run {case.model} --input input.npy --contract {case.contract}"
        f" --batch {max(1, case.input.shape[0] if case.input.ndim else 1)}",
        "",
    ]
    if answer.codes is None:
        lines += ["gen_params refuses it:", ""] + ["    " + line for line in answer.refusal.splitlines()]
    else:
        np.save(folder / "gen_params.npy", answer.codes)
        wrong = differing(answer, case.expected)
        lines.append(f"{int(wrong.sum()):,} of {wrong.size:,} codes differ (image, place in it, expected, gen_params):")
        lines.append("")
        if answer.codes.shape == case.expected.shape:
            theirs, ours = (a.reshape(wrong.shape) for a in (case.expected, answer.codes))
            places = np.argwhere(wrong)[:10]
            lines += [f"    {i} {p} {theirs[i, p]} {ours[i, p]}" for i, p in places]
        else:
            lines.append(f"    shapes {case.expected.shape}, {answer.codes.shape}")
    lines += ["", *answer.warnings]
    (folder / "README.md").write_text("\n".join(lines).rstrip() + "\n")
    return folder
