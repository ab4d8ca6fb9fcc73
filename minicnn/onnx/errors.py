"""What cannot be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import LayerError

if TYPE_CHECKING:
    from .tracing import Operation


class ExportError(LayerError, ValueError):
    """A model that has no faithful ONNX graph; the message names the operation and the layer."""

    def __init__(self, message: str, operation: Operation | None = None) -> None:
        super().__init__(message if operation is None else f"{operation.name}: {message}")
        self.layer = None if operation is None else operation.where
