"""Figures as text: the tables of RESULTS.md, one section for each part of the benchmarks.

A section is replaced as a whole by the run that measures its part again; the others stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from .harness import Timing
from .inference import EAGER, OURS, InferenceRow
from .layers import Profile, Row
from .loading import BATCH, PIXELS, SIDE, LoadingRow
from .machine import Peak
from .operations import OperationRow
from .scaling import WAY, Sweep
from .startup import Startup
from .training import TrainingRow


@dataclass(frozen=True)
class Document:
    """A file of results, and the order of its sections."""

    path: Path
    title: str
    introduction: str
    order: tuple[str, ...]

    def text(self, found: Mapping[str, str]) -> str:
        """The whole file."""
        bodies = [f"## {title}\n\n{found[title]}" for title in self.order if title in found]
        return "\n\n".join((f"# {self.title}", self.introduction, *bodies)) + "\n"

    def write(self, title: str, body: str) -> None:
        """Put one section into the file, in place of what it said before."""
        before = sections(self.path.read_text("utf-8")) if self.path.exists() else {}
        self.path.write_text(self.text({**before, title: body}), "utf-8")


RESULTS = Document(
    Path(__file__).with_name("RESULTS.md"),
    "Speed beside PyTorch, ONNX Runtime and OpenVINO",
    """\
Written by `python -m benchmarks --write`. All figures are in float32. A ratio is the other side's time divided by
minicnn's: above 1, minicnn is faster. The sides take turns on a machine that is waited for until it is idle; a time is
the median of single calls, with the quartiles in brackets. Networks run in one process per side, each library with its
own threads, their outputs compared before (same weights, same images).""",
    ("Machine", "Training", "Inference", "Layers", "Growth", "Start-up", "Loading", "Operations"),
)
SMALL = 0.005  # of a step: kernels below it are added up


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{seconds * 1e3:.3g}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def spread(time: Timing) -> str:
    """Median and quartiles."""
    return f"{milliseconds(time.median)} ({milliseconds(time.low)}-{milliseconds(time.high)})"


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def disturbance(times: Iterable[Timing]) -> str:
    """A sentence about what else ran meanwhile."""
    most = max((time.others for time in times), default=0.0)
    return f"Measured {date.today()}; other programs used at most {most:.0%} of the processors during a case."


def machine(description: Mapping[str, object]) -> str:
    """What it is and what it can do."""
    return "\n".join(f"- {key}: {value}" for key, value in description.items())


def training(rows: Sequence[TrainingRow]) -> str:
    """The whole step beside PyTorch's best, and how its other ways did."""
    main = markdown(
        ("network", "minicnn ms", "PyTorch ms", "PyTorch / minicnn", "peak memory MB: minicnn", "PyTorch"),
        [
            (
                *(r.name, spread(r.ours), spread(r.theirs), f"**{r.ratio:.2f}**"),
                *(f"{memory / 1e6:.0f}" for memory in (r.our_memory, r.their_memory)),
            )
            for r in rows
        ],
    )
    ways = list(dict.fromkeys(way for r in rows for way in (*r.looks, *r.failures)))
    looks = markdown(
        ("network", *ways),
        [(r.name, *(f"{r.looks[way]:.2f}" if way in r.looks else "failed" for way in ways)) for r in rows],
    )
    failures = sorted({f"- {way}: {reason}" for r in rows for way, reason in r.failures.items()})
    return "\n\n".join(
        filter(
            None,
            (
                "The whole step: zero_grad, forward, loss, backward, optimiser, with autograd and running statistics. "
                "Beside it the fastest way to run PyTorch, found by a short look at each (second table: its time / "
                "minicnn's). Memory is the high-water mark of a fresh process.",
                main,
                looks,
                "\n".join(failures),
                disturbance(t for r in rows for t in (r.ours, r.theirs)),
            ),
        )
    )


def inference(rows: Sequence[InferenceRow]) -> str:
    """Each engine's time, and its ratio to ours."""
    lines = []
    for r in rows:
        best = r.best_of_pytorch()
        cells = [
            (spread(r.times[name]), f"**{r.ratio(name):.2f}**") if name in r.times else ("", "")
            for name in ("ONNX Runtime", "OpenVINO", best)
        ]
        way = best.removeprefix("PyTorch, ")
        ours = spread(r.times[EAGER]), spread(r.times[OURS])
        lines.append((r.name, r.batch, *ours, *(c for cell in cells for c in cell), way))
    header = (
        "network",
        "batch",
        "minicnn ms",
        "minicnn.compile ms",
        "ONNX Runtime ms",
        "ratio",
        "OpenVINO ms",
        "ratio",
        "PyTorch ms",
        "ratio",
    )
    failures = sorted({f"- {name}: {reason}" for r in rows for name, reason in r.failures.items()})
    return "\n\n".join(
        filter(
            None,
            (
                "`model.eval()` and `no_grad()`; the networks were exported from PyTorch (`torch.onnx.export`) with "
                "the same weights. A ratio is the other engine's time / that of `minicnn.compile(model)`, which "
                "prepares the network once, as the other engines do.",
                markdown((*header, "way"), lines),
                "\n".join(failures),
                disturbance(t for r in rows for t in r.times.values()),
            ),
        )
    )


def _cell(row: Row | None, peak: Peak) -> str:
    if row is None:
        return ""
    share = peak.seconds(row.flops, row.moved) / row.seconds
    rate = f"{row.flops / row.seconds / 1e9:.0f} GFLOP/s" if row.flops else f"{row.moved / row.seconds / 1e9:.0f} GB/s"
    return f"{milliseconds(row.seconds)} ms, {rate}, {share:.0%}"


def layers(profile: Profile, peak: Peak) -> str:
    """Kernels of one training step with their share of the machine's limits."""
    parts = ("forward", "grad_input", "grad_weight")
    found: dict[tuple[str, str], Row] = {}
    for row in profile.rows:  # a convolution that normalises what it loads is one like others
        key = row.operation.removesuffix("_normalized"), row.what
        found[key] = found[key] + row if key in found else row
    filters = list(dict.fromkeys(what for operation, what in found if operation == "conv2d.forward"))
    convolutions: list[tuple[str, ...]] = [
        (
            *(what, f"{found['conv2d.forward', what].calls:.0f}"),
            *(_cell(found.get((f"conv2d.{part}", what)), peak) for part in parts),
        )
        for what in filters
    ]
    of_filters = {f"conv2d.{part}" for part in parts}
    others = [row for (operation, _), row in found.items() if operation not in of_filters]
    large = [row for row in others if row.seconds >= SMALL * profile.step]
    rest = sum(row.seconds for row in others) - sum(row.seconds for row in large)
    kernels = sum(row.seconds for row in profile.rows)
    table = [(row.operation, row.what, f"{row.calls:.0f}", _cell(row, peak)) for row in large]
    table += [("smaller ones", "", "", f"{milliseconds(rest)} ms")]
    table += [("outside kernels", "", "", f"{milliseconds(profile.step - kernels)} ms")]
    limit = sum(peak.seconds(row.flops, row.moved) for row in profile.rows)
    return (
        f"### {profile.name}\n\nStep {milliseconds(profile.step)} ms, kernels {milliseconds(kernels)} ms; "
        f"the kernels' limits add up to {milliseconds(limit)} ms ({limit / profile.step:.0%} of the step).\n\n"
        + markdown(("convolution", "calls", *parts), convolutions)
        + "\n\n"
        + markdown(("other kernel", "on", "calls", "time, rate, share of the limit"), table)
    )


LAYERS = (
    "All calls of a kernel on the same shapes in one step: their time, their rate, and the share of what the "
    "measured peaks allow (the longer of operations / peak GFLOP/s and bytes / peak GB/s, divided by the time). "
    "Operations are those of the definition: Winograd's convolution needs fewer and may exceed 100 %, as may arrays "
    "that are still in a cache. Any network: `python -m benchmarks layers --only NAME`, its inference with "
    "`--inference BATCH`."
)


def growth(sweeps: Sequence[Sweep]) -> str:
    """Time per image or in all as one size grows."""
    texts = []
    for sweep in sweeps:
        rows = []
        for before, point in zip([None, *sweep.points], sweep.points, strict=False):
            each = [point.ours.median / point.images, point.theirs.median / point.images]
            if sweep.grows == "layers" and before is not None:
                added = point.value - before.value
                more = [milliseconds((point.ours.median - before.ours.median) / added)]
                more += [milliseconds((point.theirs.median - before.theirs.median) / added)]
            elif sweep.grows == "image side":
                more = [f"{t / point.value**2 * 1e9:.0f}" for t in each]
            else:
                more = [milliseconds(t) for t in each] if sweep.grows == "batch" else ["", ""]
            rows.append((point.value, spread(point.ours), spread(point.theirs), f"{point.ratio:.2f}", *more))
        unit = {"batch": "ms per image", "image side": "ns per pixel", "layers": "ms per further layer"}[sweep.grows]
        header = (sweep.grows, "minicnn ms", "PyTorch ms", "ratio", f"minicnn, {unit}", f"PyTorch, {unit}")
        texts.append(f"{sweep.stays}:\n\n{markdown(header, rows)}")
        if sweep.grows == "layers":
            texts.append(_lines(sweep))
    times = (t for sweep in sweeps for point in sweep.points for t in (point.ours, point.theirs))
    return "\n\n".join((f"A training step with SGD; PyTorch runs {WAY}.", *texts, disturbance(times)))


def _lines(sweep: Sweep) -> str:
    """How straight the lines are of time over depth: the least relative squares."""
    depths = np.array([point.value for point in sweep.points], float)
    texts = []
    for name, side in (("minicnn", "ours"), ("PyTorch", "theirs")):
        times = np.array([getattr(point, side).median for point in sweep.points])
        slope, start = np.polyfit(depths, times, 1, w=1 / times)
        off = np.abs((start + slope * depths) / times - 1).max()
        texts.append(f"{name} {milliseconds(start)} ms + {milliseconds(slope)} ms per layer, at most {off:.0%} off")
    return f"The straight lines nearest to these: {'; '.join(texts)}."


def startup(found: Startup) -> str:
    """Seconds from launch to the first step."""
    return (
        "`examples/mnist_convnet.py`, from its launch until its first training step is done, reading 60 MB of images "
        f"included:\n\n- with an empty cache of compiled kernels: {found.first:.1f} s\n"
        f"- with the kernels on the disk: {found.cached:.2f} s"
    )


def loading(what: str, rows: Sequence[LoadingRow]) -> str:
    """What loading costs a training step."""
    alone = rows[0].step.median
    table = markdown(
        ("loading", "workers", "images/s, alone", "step ms", "step / step without loading"),
        [
            (
                row.name,
                "" if row.workers is None else row.workers,
                "" if row.workers is None else f"{row.rate:.0f}",
                spread(row.step),
                f"{row.step.median / alone:.2f}",
            )
            for row in rows
        ],
    )
    return (
        f"JPEGs of {PIXELS} x {PIXELS} pixels ({what}), decoded and brought to {SIDE} x {SIDE} by a `DataLoader`, and "
        f"AlexNet's training step on {BATCH} of them. It needs {BATCH / alone:.0f} images/s.\n\n{table}\n\n"
        f"{disturbance(row.step for row in rows)}"
    )


def operations(rows: Sequence[OperationRow]) -> str:
    """Single operations."""
    table = markdown(
        ("case", "minicnn ms", "PyTorch ms", "PyTorch / minicnn", "minicnn GFLOP/s"),
        [
            (r.name, spread(r.ours), spread(r.theirs), f"{r.ratio:.2f}")
            + ((f"{r.flops / r.ours.median / 1e9:.0f}",) if r.flops else ("",))
            for r in rows
        ],
    )
    return (
        "Both sides in one process. They start from arrays and gradients in PyTorch's layout (NCHW); minicnn computes "
        "channels-last, and its figures include the conversion.\n\n"
        f"{table}\n\n{disturbance(t for r in rows for t in (r.ours, r.theirs))}"
    )


def sections(text: str) -> dict[str, str]:
    """The sections of a file by title."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}
