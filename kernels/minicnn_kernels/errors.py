"""Errors about shapes and types, with room for the layer they happened in."""

from __future__ import annotations


class LayerError(Exception):
    """An error that can say in which layer of a model it happened.

    The kernel or operation that raises knows shapes and formulas; only the
    modules on the way out know the layer's path. They write it into
    ``layer``, and the message ends with it.
    """

    layer: str | None = None

    def __str__(self) -> str:
        message = super().__str__()
        return message if self.layer is None else f"{message}\n  in layer {self.layer}"


class ShapeError(LayerError, ValueError):
    """Sizes that do not fit together, or a geometry that makes no sense."""


class DTypeError(LayerError, TypeError):
    """An element type that the operation does not take."""


class BackendError(LayerError, ValueError):
    """An unknown or unavailable backend."""
