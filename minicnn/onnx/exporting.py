"""``export``: trace, compare, translate, check, write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.atomic import atomic_write
from ..core.device import check_on_cpu
from ..core.errors import LayerError
from ..core.grad_mode import no_grad
from ..core.tensor import Tensor
from ..nn import Module
from . import activations, elementwise, indexing, normalisation, pooling, reductions, shaping, windows  # noqa: F401
from .agreement import agree
from .errors import ExportError
from .graph import Graph, check_same
from .proto import check_size, import_onnx, serialise
from .tracing import Program, check_replay, trace

OLDEST_OPSET = 18  # the first whose reductions take their axes as an input
BATCHES = 2, 3  # of the two passes


def export(
    model: Module,
    args: Any,
    f: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Any] | None = None,
    opset_version: int = OLDEST_OPSET,
    export_params: bool = True,
    do_constant_folding: bool = True,
    verbose: Any = None,
    dynamo: Any = None,
) -> None:
    """Write a model as an ONNX file, for onnxruntime and other programs.

    The model runs in evaluation mode, twice, on random inputs of the shapes of ``args``, and the operations that
    it computed are translated; what could not be translated faithfully is refused. Training modes and buffers stay
    as they were. Parameters keep the names of the ``state_dict``, nodes are called after their layers.

    Parameters
    ----------
    model : Module
    args : Tensor or tuple of Tensor
        What ``model(*args)`` takes. Shapes and types count, and the numbers of integers: the second run takes them in
        another order, so they should differ from one another.
    f : path or binary file
        A path is replaced in one step, when everything has succeeded.
    input_names, output_names : sequence of str, optional
        Default: ``"input"`` and ``"output"``, with numbers if there are several; of a dict or a named tuple the keys.
    dynamic_axes : dict, optional
        Which inputs are batches, of any size: ``{"input": {0: "N"}}``. Only dimension 0 can be dynamic. Default:
        all inputs whose first dimension is that of the first one. ``{}`` fixes the batch size.
    opset_version : int, default 18
        Version of ONNX's operators, at least 18.
    export_params : bool, default True
        The parameters are always in the file.
    do_constant_folding, verbose, dynamo
        PyTorch's; they make no difference here.

    Raises
    ------
    ExportError
        If an operation has no translation, or the graph would not compute what the model does; the message names
        the operation and the layer.
    ImportError
        Without the package onnx.

    Examples
    --------
    >>> import io, minicnn
    >>> from minicnn import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 10))
    >>> file = io.BytesIO()
    >>> minicnn.onnx.export(model, minicnn.zeros(1, 3, 4, 4), file)
    >>> import onnx
    >>> graph = onnx.load_from_string(file.getvalue()).graph
    >>> [node.name for node in graph.node]
    ['0/Conv', '1/Relu', '2/Reshape', '3/Gemm']
    """
    onnx = import_onnx()
    tensors = _tensors(model, args)
    check_on_cpu("onnx.export", model, *tensors)
    if not export_params:
        raise ValueError("export: export_params=False is left out; the parameters are always in the file")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset_version <= newest:
        raise ValueError(
            f"export: opset_version must lie between {OLDEST_OPSET} and {newest}; got {opset_version}. "
            "Fix: leave it out"
        )
    check_size(sum(t.nbytes for t in [*model.parameters(), *model.buffers()]))
    names = _names("input", input_names, [f"input_{i}" for i in range(len(tensors))])
    batched, batch = _batched(names, tensors, dynamic_axes)
    inputs = [
        [_draw(t, size if batched[i] else None, seed) for i, t in enumerate(tensors)]
        for seed, size in enumerate(BATCHES)
    ]
    with _evaluation(model):
        try:
            first, outputs = trace(model, inputs[0])
            check_replay(first, inputs[0], outputs)
            second, _ = trace(model, inputs[1])
        except LayerError as error:
            if any(batched) and not isinstance(error, ExportError) and _takes(model, tensors):
                error.add_note(
                    f"export ran the model on batches of {BATCHES[0]} and {BATCHES[1]}, taking the first dimension of "
                    "its input for the batch. Fix: dynamic_axes={} if the batch size is fixed or there is none"
                )
            raise
    agree(first, second, BATCHES if any(batched) else (1, 1))
    _check_read(first, names, inputs)
    out_names = _names("output", output_names, first.names)
    if set(names) & set(out_names):
        raise ValueError(f"export: an input and an output have the same name; got {names} and {out_names}")
    graph = Graph(first, names, out_names)
    check_same(graph, Graph(second, names, out_names))
    data = serialise(graph, out_names, batch, opset_version)
    if hasattr(f, "write"):
        f.write(data)
    else:
        with atomic_write(f) as file:
            file.write(data)


def _tensors(model: Any, args: Any) -> list[Tensor]:
    if not isinstance(model, Module):
        raise TypeError(f"export: expected an nn.Module; got {type(model).__name__}")
    tensors = list(args) if isinstance(args, (tuple, list)) else [args]
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"export: args must be a Tensor or a tuple of Tensors; got {type(t).__name__}")
    if not tensors:
        raise ValueError("export: args must have at least one Tensor; got none")
    return tensors


def _names(kind: str, given: Sequence[str] | None, default: list[str]) -> list[str]:
    """The names of all inputs or outputs."""
    if given is None:
        unique = len(set(default)) == len(default)
        names = default if unique else [f"{kind}_{i}" for i in range(len(default))]
        return [kind] if names == [f"{kind}_0"] else names
    names = list(given)
    if isinstance(given, str) or len(names) != len(default) or len(set(names)) != len(names) or not all(names):
        raise ValueError(f"export: {kind}_names must be {len(default)} different names, one for each; got {given!r}")
    return names


def _batched(names: list[str], tensors: list[Tensor], dynamic_axes: Any) -> tuple[list[bool], str]:
    """Which inputs are batches of any size, and the name of that size."""
    if dynamic_axes is None:
        shape = tensors[0].shape
        return [bool(shape) and t.ndim > 0 and t.shape[0] == shape[0] for t in tensors], "N"
    symbols = set()
    for name, axes in dynamic_axes.items():
        if any(axis != 0 for axis in axes):
            raise ValueError(
                f"export: only dimension 0, the batch, can be dynamic; got {axes!r} for {name!r}. "
                "Fix: export once for each image size"
            )
        symbols |= set(axes.values()) if isinstance(axes, Mapping) else set()
    if len(symbols) > 1:
        raise ValueError(f"export: all batches have one size, so it has one name; got {sorted(symbols)}")
    if dynamic_axes and not set(dynamic_axes) & set(names):
        raise ValueError(f"export: dynamic_axes must name an input; got {sorted(dynamic_axes)}, and the inputs {names}")
    batched = [bool(dynamic_axes.get(name)) for name in names]
    for t, dynamic in zip(tensors, batched, strict=True):
        if dynamic and t.ndim == 0:
            raise ValueError("export: a number has no dimension 0 that could be dynamic")
    return batched, str(*symbols) or "N"


def _draw(t: Tensor, batch: int | None, seed: int) -> Any:
    """An input like ``t`` with ``batch`` samples: random, and mostly positive or mostly negative by the seed.

    Integers may be labels or indices, which must lie in a range: they are those of ``t``, moved on by ``seed`` places.
    """
    shape = tuple(t.shape) if batch is None else (batch, *t.shape[1:])
    if not t.is_floating_point():
        return np.roll(np.resize(t._array, shape), seed)
    numbers = np.random.default_rng(seed).standard_normal(shape) + (0.5 if seed == 0 else -0.5)
    return numbers.astype(t._array.dtype)


def _takes(model: Module, tensors: list[Tensor]) -> bool:
    """Whether the model runs on the very tensors that were given."""
    try:
        with no_grad():
            model(*tensors)
    except LayerError:
        return False
    return True


def _check_read(program: Program, names: list[str], inputs: list[list[Any]]) -> None:
    """Integers that are all equal show nothing in two passes; so somebody must have read them, on the record."""
    read = {value for operation in program.operations for value in operation.inputs}.union(program.outputs)
    for value, name, *passes in zip(program.inputs, names, *inputs, strict=True):
        if value not in read and value.dtype.kind != "f" and np.unique(np.concatenate(passes, axis=None)).size < 2:
            raise ExportError(
                f"no recorded operation reads the input {name!r}, whose numbers are all equal: an index that is made "
                "of them would be frozen in the graph, unseen. Fix: give numbers that differ from one another"
            )


@contextmanager
def _evaluation(model: Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards modes and buffers are what they were."""
    modes = {module: module.training for module in model.modules()}
    buffers = {buffer: buffer._array.copy() for buffer in model.buffers()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for buffer, array in buffers.items():
            buffer._to_change()[...] = array
