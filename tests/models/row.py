"""One line of the table of models, from which the tests of all models are derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minicnn import models, nn


@dataclass(frozen=True)
class Row:
    """What is known about a model from its paper or from a published implementation.

    Attributes
    ----------
    name : str
        In the registry.
    parameters : int
        Trainable ones, with the default arguments.
    entries : int
        Entries of the state_dict.
    source : str
        Where the number of parameters is from.
    image : tuple of int
        ``(C, H, W)`` of the paper.
    small : tuple of int
        ``(C, H, W)`` that is cheap and still exercises every layer.
    config : dict
        Arguments that make a model for the training test cheap (few classes ...).
    with_statistics : int, optional
        Parameters plus running means and variances: how Keras counts.
    """

    name: str
    parameters: int
    entries: int
    source: str
    image: tuple[int, int, int] = (3, 224, 224)
    small: tuple[int, int, int] = (3, 64, 64)
    config: dict[str, Any] = field(default_factory=lambda: {"num_classes": 10})
    with_statistics: int | None = None

    @property
    def build(self) -> Callable[..., nn.Module]:
        return models.get_model_builder(self.name)
