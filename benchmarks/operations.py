"""Cases: single operations, forward and forward + backward, in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import minicnn

from .harness import Timing, in_turns, measure
from .settings import Settings

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """One comparison. ``flops``: floating-point operations of one call, if that is a useful figure."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    flops: float | None = None


@dataclass(frozen=True)
class OperationRow:
    """Times of both sides."""

    name: str
    ours: Timing
    theirs: Timing
    flops: float | None

    @property
    def ratio(self) -> float:
        return self.theirs.median / self.ours.median


def row(case: Case, settings: Settings) -> OperationRow:
    """Measure one case; both sides in this process."""
    torch.set_num_threads(settings.threads)
    minicnn.set_num_threads(settings.threads)
    sides = in_turns(ours=case.ours, theirs=case.theirs)
    found = measure(sides, settings.rounds, settings.seconds / 3, settings.patience)
    return OperationRow(case.name, found["ours"], found["theirs"], case.flops)


def _normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def _pair(
    name: str, function: str, inputs: tuple[Any, ...], options: dict[str, Any], flops: float | None
) -> Iterator[Case]:
    """The same call here and in PyTorch: forward alone, then forward and backward."""

    def sides(root: Any, wrap: Callable[[np.ndarray], Any]) -> tuple[Callable[[], object], Callable[[], object]]:
        target = root
        for part in function.split("."):
            target = getattr(target, part)
        tensors = [wrap(v.copy()) if isinstance(v, np.ndarray) else v for v in inputs]
        leaves = [t for t, v in zip(tensors, inputs, strict=True) if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
        shape = target(*tensors, **options).shape
        seed = wrap(_normal(*shape))

        def forward() -> object:
            with root.no_grad():
                return target(*tensors, **options).numpy()  # asks for the numbers: minicnn may put work off until then

        def both() -> object:
            for leaf in leaves:
                leaf.requires_grad_()
                leaf.grad = None
            target(*tensors, **options).backward(seed)
            return leaves[0].grad

        return forward, both

    ours, theirs = sides(minicnn, minicnn.from_numpy), sides(torch, torch.from_numpy)
    yield Case(f"{name}, forward", ours[0], theirs[0], flops)
    yield Case(f"{name}, forward + backward", ours[1], theirs[1], None if flops is None else 3 * flops)


def _conv(n: int, c: int, size: int, o: int, k: int, stride: int = 1, groups: int = 1) -> Iterator[Case]:
    padding = k // 2
    out = (size + 2 * padding - k) // stride + 1
    name = f"conv2d {k}x{k} {c}->{o} at {size}x{size}, N={n}" + (f", stride {stride}" if stride > 1 else "")
    name += f", groups {groups}" if groups > 1 else ""
    inputs = (_normal(n, c, size, size), _normal(o, c // groups, k, k), _normal(o))
    flops = 2.0 * n * out * out * o * (c // groups) * k * k
    yield from _pair(
        name, "nn.functional.conv2d", inputs, {"stride": stride, "padding": padding, "groups": groups}, flops
    )


def cases() -> Iterator[Case]:
    """All cases of this file."""
    yield from _conv(100, 1, 28, 32, 5)
    yield from _conv(100, 32, 14, 64, 5)
    yield from _conv(16, 64, 56, 64, 3)
    yield from _conv(16, 256, 14, 256, 3)
    yield from _conv(16, 256, 14, 1024, 1)
    yield from _conv(16, 64, 56, 128, 3, stride=2)
    yield from _conv(16, 128, 28, 128, 3, groups=128)
    x = _normal(32, 64, 28, 28)
    yield from _pair("max_pool2d 2x2, (32, 64, 28, 28)", "nn.functional.max_pool2d", (x,), {"kernel_size": 2}, None)
    yield from _pair("avg_pool2d 2x2, (32, 64, 28, 28)", "nn.functional.avg_pool2d", (x,), {"kernel_size": 2}, None)
    yield from _pair(
        "adaptive_avg_pool2d 1, (32, 64, 28, 28)", "nn.functional.adaptive_avg_pool2d", (x,), {"output_size": 1}, None
    )
    norm = (x, None, None, _normal(64), _normal(64))
    yield from _pair("batch_norm, (32, 64, 28, 28)", "nn.functional.batch_norm", norm, {"training": True}, None)
    yield from _pair(
        "group_norm 8, (32, 64, 28, 28)", "nn.functional.group_norm", (x, 8, _normal(64), _normal(64)), {}, None
    )
    yield from _pair("local_response_norm 5, (32, 64, 28, 28)", "nn.functional.local_response_norm", (x, 5), {}, None)
    yield from _pair("relu, (32, 64, 28, 28)", "nn.functional.relu", (x,), {}, None)
    yield from _pair("sigmoid, (32, 64, 28, 28)", "nn.functional.sigmoid", (x,), {}, None)
    yield from _pair("dropout 0.5, (32, 64, 28, 28)", "nn.functional.dropout", (x,), {}, None)
    bilinear = {"scale_factor": 2, "mode": "bilinear"}
    yield from _pair("interpolate bilinear x2, (32, 64, 28, 28)", "nn.functional.interpolate", (x,), bilinear, None)
    flops = 2.0 * 100 * 3136 * 1000
    yield from _pair(
        "linear 3136->1000, N=100",
        "nn.functional.linear",
        (_normal(100, 3136), _normal(1000, 3136), _normal(1000)),
        {},
        flops,
    )
    yield from _pair("matmul 512x512x512", "matmul", (_normal(512, 512), _normal(512, 512)), {}, 2.0 * 512**3)
    labels = RNG.integers(0, 1000, 256)
    yield from _pair(
        "cross_entropy, (256, 1000)", "nn.functional.cross_entropy", (_normal(256, 1000), labels), {}, None
    )
    yield from _pair("softmax, (256, 1000)", "nn.functional.softmax", (_normal(256, 1000),), {"dim": 1}, None)
