"""The text of RESULTS-gpu.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..results import Document, markdown, spread
from .checks import TESTS, Outcome
from .steps import EAGER, GRAPH, GpuRow

RESULTS = Document(
    Path(__file__).parents[1] / "RESULTS-gpu.md",
    "On a GPU, beside PyTorch with cuDNN",
    """\
Written by `python -m benchmarks gpu --write`. A ratio is PyTorch's time divided by minicnn's: above 1, minicnn is
faster. Both libraries are in one process and take turns; a time is the median of single calls, with the quartiles in
brackets, and ends when the result is on the CPU. TF32 and strict float32 are set for both (`allow_tf32`).""",
    ("Machine", "Tests", "Sanitizer", "Training", "Inference", "Layers", "ResNet-20 on CIFAR-10"),
)


def tests(outcome: Outcome) -> str:
    """How the tests ended."""
    text = f"`pytest {' '.join(TESTS)}` on the GPU (`MINICNN_TEST_GPU=1`): {outcome.summary}."
    return text if outcome.clean else f"{text}\n\n```\n{outcome.output}\n```"


def sanitizer(outcomes: dict[str, Outcome]) -> str:
    """How they ended under compute-sanitizer, tool by tool."""
    lines = [f"- {tool}: {'nothing found' if o.clean else 'FAULTS'}; {o.summary}" for tool, o in outcomes.items()]
    faults = [f"{tool}:\n\n```\n{o.output}\n```" for tool, o in outcomes.items() if not o.clean]
    return "\n\n".join(("NVIDIA's compute-sanitizer over the kernels' tests:", "\n".join(lines), *faults))


def steps(rows: Sequence[GpuRow]) -> str:
    """Each network in both precisions."""
    header = ("network", "batch", "precision", "minicnn ms", "graph ms", "PyTorch ms", "PyTorch / minicnn", "its way")

    def cell(row: GpuRow, name: str) -> str:
        return spread(row.times[name]) if name in row.times else "failed"

    table = markdown(
        header,
        [
            (
                *(r.name, r.batch, r.precision, cell(r, EAGER), cell(r, GRAPH), cell(r, r.theirs)),
                *(f"**{r.ratio:.2f}**", r.theirs.removeprefix("PyTorch, ")),
            )
            for r in rows
        ],
    )
    failures = sorted({f"- {r.name}, {name}: {reason}" for r in rows for name, reason in r.failures.items()})
    return "\n\n".join(filter(None, (table, "\n".join(failures))))
