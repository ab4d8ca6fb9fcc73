"""Models as ONNX files, for other programs: ``minicnn.onnx.export(model, x, "model.onnx")``.

The export runs the model and translates what it computed (:mod:`.tracing`), after a second run has shown what depends
on the batch and that nothing was frozen which depends on the input (:mod:`.agreement`). Each operation has one short
translator; they are sorted into files by subject. Nothing but :mod:`.proto` needs the package onnx.
"""

from typing import Any

from ..core.left_out import left_out
from .errors import ExportError
from .exporting import export
from .table import register_translator

__all__ = ["ExportError", "export", "register_translator"]


def __getattr__(name: str) -> Any:
    raise left_out(name, __name__)
