"""Making one batch: the work that a loader does itself or hands to a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .randomness import BATCH, SAMPLE, randomness_of


@dataclass(frozen=True)
class BatchPlan:
    """Which samples make batch ``number`` of a pass, and the seed of the pass.

    ``repeats[k]`` says how often ``indices[k]`` came before in this pass, so that
    a sample drawn twice is augmented twice, each time differently.
    """

    number: int
    seed: int
    indices: list[Any]
    repeats: list[int]


class Stopped(Exception):  # noqa: N818 - not an error: nobody waits for this batch any more
    """The loader was left before this batch was made."""


@dataclass(frozen=True)
class BatchMaker:
    """``dataset[i]`` for every index of a plan, then ``collate``; ``batched=False`` is for single samples."""

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool = True

    def __call__(self, plan: BatchPlan, stopped: Callable[[], bool] = lambda: False) -> Any:
        samples = []
        for index, repeat in zip(plan.indices, plan.repeats, strict=True):
            if stopped():
                raise Stopped
            samples.append(self._sample(plan.seed, index, repeat))
        try:
            with randomness_of(plan.seed, BATCH, plan.number):
                return self.collate(samples if self.batched else samples[0])
        except Exception as error:
            error.add_note(f"while putting batch {plan.number} together from the samples {_some(plan.indices)}")
            raise

    def _sample(self, seed: int, index: Any, repeat: int) -> Any:
        try:
            with randomness_of(seed, SAMPLE, index, repeat):
                return self.dataset[index]
        except Exception as error:
            error.add_note(f"while making sample {index!r}: {type(self.dataset).__name__}[{index!r}]")
            raise


def _some(indices: list[Any]) -> str:
    """At most the first eight of them, in brackets."""
    shown = ", ".join(repr(index) for index in indices[:8])
    return f"[{shown}, ... {len(indices)} in all]" if len(indices) > 8 else f"[{shown}]"
