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
        return "\n  ".join([super().__str__(), *self.where()])

    def where(self) -> list[str]:
        """The lines of the message that say where it happened."""
        return [] if self.layer is None else [f"in layer {self.layer}"]


class ShapeError(LayerError, ValueError):
    """Sizes that do not fit together, or a geometry that makes no sense.

    Inside of a network ``sizes`` tells how they came about: the input and the layers passed, with their results.
    """

    sizes: tuple[tuple[str, str], ...] = ()

    def where(self) -> list[str]:
        """The layer, and the sizes up to there."""
        width = max((len(layer) for layer, _ in self.sizes), default=0)
        table = [f"  {layer.ljust(width)}  {size}".rstrip() for layer, size in self.sizes]
        return [*super().where(), *(["sizes so far:", *table] if table else [])]


class DTypeError(LayerError, TypeError):
    """An element type that the operation does not take."""


class BackendError(LayerError, ValueError):
    """An unknown or unavailable backend."""


class CaptureError(RuntimeError):
    """Something that cannot be part of a CUDA graph, or a graph that does not fit any more."""


class DeviceMemoryError(LayerError, MemoryError):
    """A GPU has not as much memory as was asked for: ``minicnn.cuda.OutOfMemoryError``.

    The process goes on: what is given back can be asked for again.

    Examples
    --------
    >>> try:
    ...     raise DeviceMemoryError("the GPU is out of memory")
    ... except MemoryError as error:
    ...     print(error)
    the GPU is out of memory
    """
