"""A model of the zoo as an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from .. import onnx
from ..core.tensor import Tensor
from ..nn import Module
from ..ops.creation import zeros

__all__ = ["export_onnx"]


def export_onnx(
    model: Module, path: Any, input_shape: Sequence[int] | Tensor, *, batch: str | int = "N", **options: Any
) -> None:
    """Write a model that takes images as an ONNX file; see :func:`minicnn.onnx.export`.

    Parameters
    ----------
    model : Module
    path : path or binary file
    input_shape : (C, H, W) or (N, C, H, W), or a Tensor of that shape
        The size of the images is fixed in the file.
    batch : str or int, default "N"
        What the batch size is called, which is then free; or the number that it is fixed to.
    **options
        ``input_names``, ``output_names`` and ``opset_version`` of :func:`minicnn.onnx.export`.

    Raises
    ------
    ExportError
        If the model has no faithful ONNX graph.
    ShapeError
        If the model does not take such images.

    Examples
    --------
    >>> import io
    >>> from minicnn import models
    >>> file = io.BytesIO()
    >>> models.export_onnx(models.squeezenet1_1(num_classes=10), file, (3, 32, 32))
    >>> import onnx
    >>> [node.name for node in onnx.load_from_string(file.getvalue()).graph.node][:3]
    ['features.0/Conv', 'features.1/Relu', 'features.2/MaxPool']
    """
    if not isinstance(model, Module):
        raise TypeError(f"export_onnx: expected a model; got {type(model).__name__}. Fix: models.get_model(name)")
    if isinstance(input_shape, Tensor):
        input_shape = tuple(input_shape.shape)  # PyTorch's habit: an example of the input
    if isinstance(path, (tuple, list, Tensor)) or isinstance(input_shape, (str, int)):
        raise TypeError("export_onnx: expected (model, path, input_shape), such as (model, 'net.onnx', (3, 224, 224))")
    shape = tuple(input_shape)
    if len(shape) not in (3, 4) or not all(isinstance(n, Integral) and n >= 1 for n in shape):
        raise ValueError(f"export_onnx: input_shape must be (C, H, W) or (N, C, H, W); got {tuple(input_shape)}")
    fixed = not isinstance(batch, str)
    if not batch or (fixed and batch < 1):  # type: ignore[operator]
        raise ValueError(f"export_onnx: batch must be a name or a positive number; got {batch!r}")
    kind = next((p.dtype for p in model.parameters()), None)
    images = zeros(batch if fixed else 1, *map(int, shape[-3:]), dtype=kind)
    if "dynamic_axes" in options:
        raise TypeError(
            "export_onnx: the batch is dynamic already, by batch='N'; for other axes use minicnn.onnx.export"
        )
    names = options.pop("input_names", None) or ["input"]
    axes = {} if fixed else {names[0]: {0: batch}}
    onnx.export(model, images, path, input_names=names, dynamic_axes=axes, **options)
