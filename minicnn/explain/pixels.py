"""``explain.pixel``: run an operation, and take one element of its output or of a gradient apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from math import prod
from operator import index
from typing import Any

import numpy as np
from minicnn_kernels.watching import Call, watch

from ..core import graph
from ..core.errors import ShapeError
from ..core.function import Function
from ..core.grad_mode import enable_grad, no_grad
from ..core.recording import Step, record
from ..core.tensor import Tensor, from_numpy
from ..nn import Module
from ..nn.tree import describe
from ..ops import arithmetic, conv, normalisation, pooling, shaping
from . import terms_conv, terms_norm, terms_pool  # noqa: F401 - each enters its operations in ``terms``
from .element import RESULTS, Pixel
from .state import left_as_found
from .terms import Given, Index, terms
from .trace import name_of, tensors

NAMES = "conv2d, conv_transpose2d, linear, max_pool2d, avg_pool2d, the adaptive poolings, batch_norm"
KINDS = tuple(kind for kind in terms.registry if issubclass(kind, Function))
WITHOUT_WEIGHTS = (pooling.MaxPool2d, pooling.AvgPool2d, pooling.AdaptiveMaxPool2d, pooling.AdaptiveAvgPool2d)


def pixel(
    operation: Module | Callable[..., Any],
    *inputs: Any,
    at: Any,
    of: str = "output",
    grad_output: Tensor | None = None,
    **options: Any,
) -> Pixel:
    """One element of what a layer computes, forward or backward, with every product that adds up to it.

    The layer runs on the input, as always. What ran is then looked at: which elements of which arrays were multiplied
    with each other and added up to the element in question, and what the kernel made of them.

    Parameters
    ----------
    operation : Module or function
        A layer, or a function of :mod:`minicnn.nn.functional`: convolution and transposed convolution, linear, max and
        average pooling (also adaptive), batch normalisation, as it is set (training or evaluation).
    *inputs
        What it is called with.
    at : tuple of int, array or Tensor
        Index of the element: (n, c, i, j) of an output or an input, (o, c, a, b) of a convolution's weight.
    of : {"output", "grad_input", "grad_weight", "grad_bias"}
        What it is an element of.
    grad_output : Tensor, optional
        For the gradients: the gradient that arrives at the output, of its shape. Default: ones, as if the loss were
        ``y.sum()``.
    **options
        Named arguments of the call, such as ``stride=2`` of ``F.conv2d``.

    Returns
    -------
    Pixel
        ``first``, ``second``, ``products`` and where they are from as arrays; ``str()`` is the text, ``figure()`` a
        matplotlib Figure.

    Raises
    ------
    ValueError
        If not exactly one such operation ran, or there is no such element.

    Examples
    --------
    A filter that looks for a curve, over a part of a picture that has one:

    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> curve = minicnn.zeros(1, 1, 7, 7)
    >>> curve[0, 0, 0, 5] = curve[0, 0, 1, 4] = 30
    >>> curve[0, 0, 2:6, 3] = 30
    >>> patch = minicnn.zeros(1, 1, 7, 7)
    >>> patch[0, 0, 0, 6] = 30
    >>> patch[0, 0, 1, 4:7] = 50
    >>> patch[0, 0, 2:, 3:5] = 50
    >>> patch[0, 0, 2, 3] = 20
    >>> found = minicnn.explain.pixel(F.conv2d, patch, curve, at=(0, 0, 0, 0))
    >>> print(found.sum_line())
    sum = 50*30 + 20*30 + 50*30 + 50*30 + 50*30 = 6600 (44 products are 0)
    >>> found.value
    6600.0

    What one input pixel gets in backward, if a 1 arrives at every output:

    >>> x, w = minicnn.zeros(1, 1, 3, 3), minicnn.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> print(minicnn.explain.pixel(F.conv2d, x, w, at=(0, 0, 0, 1), of="grad_input"))
    conv2d: grad_x[0, 0, 0, 1], one element of grad_input (1, 1, 3, 3)
    grad_x[n, c, h, w] = sum over o, a, b of grad_y[n, o, i, j] * weight[o, c, a, b], where h = i + a and w = j + b
    the first tap meets the last position: what is gathered is read backwards, as by a filter turned by 180 degrees
    <BLANKLINE>
    grad_y[0, 0, 0, 1] * weight[0, 0, 0, 0] : 1 * 1 = 1
    grad_y[0, 0, 0, 0] * weight[0, 0, 0, 1] : 1 * 2 = 2
    <BLANKLINE>
    sum = 1*1 + 1*2 = 3
    grad_x[0, 0, 0, 1] = 3; minicnn_kernels.numba_cpu.conv.conv2d_grad_input gave 3
    """
    if of not in RESULTS:
        raise ValueError(f"pixel: of must be one of {', '.join(map(repr, RESULTS))}; got {of!r}")
    y, steps, calls = run("pixel", operation, inputs, options)
    main = main_step("pixel", steps, KINDS, NAMES)
    step, name = steps[main], name_of(steps[main])
    bias = bias_of(steps, main)
    notes = []
    if any(not isinstance(before.function, shaping.Reshape) for before in steps[:main]):
        ran = ", ".join(name_of(before) for before in steps[:main])
        if of == "grad_input":
            raise ValueError(
                f"pixel: {name} got what {ran} had made of the input, and its grad_input is the gradient of that. "
                "Fix: do that first, and give the result to a layer without it, as F.pad(x, ...) and padding=0"
            )
        notes.append(f"x is what {name} got: the input after {ran}")
    grad = gradient_given(grad_output, y, tuple(step.outputs[0].shape)) if of != "output" else None
    if of == "output":
        value, shape, inner = y._array, tuple(y.shape), tuple(step.outputs[0].shape)
    else:
        value, calls = gradient(step, of, bias, grad, name)
        shape, inner = value.shape, value.shape
        if of == "grad_input":  # in the shape that was given: (C, H, W) without a batch, or rows of more dimensions
            shape = next((tuple(t.shape) for t in tensors((inputs, options)) if t.numel() == value.size), inner)
    place = checked("pixel", at, shape, f"the {of} of {name}", "at")
    at_inner = tuple(map(int, np.unravel_index(int(np.ravel_multi_index(place, shape)), inner)))
    given = Given(step, *(None if t is None else t._array for t in (bias, grad)))
    found = terms(step.function, of, at_inner, given)
    kernel = kernel_of(calls, step.outputs[0]._array if of == "output" else value)
    found = replace(found, notes=[*notes, *found.notes])
    return Pixel(name, of, at_inner, inner, found, float(value.reshape(inner)[at_inner]), kernel)


def run(asked: str, operation: Any, inputs: Any, options: Any) -> tuple[Tensor, list[Step], list[Call]]:
    """Call the operation and watch; a layer is left as it was found. ``asked``: by what, for messages."""
    if not callable(operation):
        raise TypeError(f"{asked}: expected a layer or a function, then its input; got {describe(operation)}")
    calls: list[Call] = []
    unchanged = left_as_found(operation, "same") if isinstance(operation, Module) else nullcontext()
    with unchanged, no_grad(), record() as steps, watch(calls.append):
        y = operation(*inputs, **options)
    return first_tensor(asked, y), steps, calls


def first_tensor(asked: str, y: Any) -> Tensor:
    """The result, the first one if there are several."""
    found = tensors(y)
    if not found:
        raise TypeError(f"{asked}: expected a layer or a function that gives a tensor; it gave {describe(y)}")
    return found[0]


def main_step(asked: str, steps: list[Step], kinds: tuple[type, ...], names: str) -> int:
    """The number of the one step of these kinds; a bias may be added after it, and nothing else."""
    found = [i for i, step in enumerate(steps) if isinstance(step.function, kinds)]
    after = steps[found[0] + 1 :] if found else []
    with_bias = (shaping.Reshape, shaping.Expand, arithmetic.Add)
    others = [step for step in after if not isinstance(step.function, with_bias)]
    if len(found) != 1 or others:
        ran = ", ".join(map(name_of, steps)) or "nothing"
        raise ValueError(
            f"{asked}: explains one operation out of {names}; what ran is {ran}. "
            "Fix: give one layer, as net[0], and the input that reaches it"
        )
    return found[0]


def bias_of(steps: list[Step], main: int) -> Tensor | None:
    """The bias: an input of the operation, or added after a transposed convolution."""
    function, inputs = steps[main].function, steps[main].inputs
    if isinstance(function, WITHOUT_WEIGHTS):
        return None
    if isinstance(function, conv.ConvGradInput):
        return next((t for step in steps[main + 1 :] for t in step.inputs if t is not None and t.ndim == 1), None)
    return inputs[-1] if len(inputs) > 2 else None


def gradient_given(grad: Any, y: Tensor, shape: Index) -> Tensor:
    """The gradient of the output, in the operation's shape."""
    if grad is None:
        return from_numpy(np.ones(shape, y._array.dtype))
    if not isinstance(grad, Tensor) or tuple(grad.shape) != tuple(y.shape):
        got = tuple(grad.shape) if isinstance(grad, Tensor) else describe(grad)
        raise ShapeError(f"pixel: grad_output must be a tensor of the output's shape {tuple(y.shape)}; got {got}")
    return grad.detach().to(y.dtype).reshape(*shape)


def gradient(step: Step, of: str, bias: Tensor | None, grad: Any, name: str) -> tuple[Any, list[Call]]:
    """The whole gradient from the operation's own backward, and the kernels that computed it."""
    weighted = not isinstance(step.function, WITHOUT_WEIGHTS)
    which = {"grad_input": 0, "grad_weight": 1, "grad_bias": 2}[of]
    fixed = isinstance(step.function, normalisation.BatchNormFixed)
    inputs = [*step.inputs, bias] if isinstance(step.function, conv.ConvGradInput) else list(step.inputs)
    place = which + 2 if fixed and which else which
    wanted = inputs[place] if place < len(inputs) and (weighted or not which) else None
    if wanted is None:
        raise ValueError(f"pixel: this {name} has no {of.removeprefix('grad_')}, and so no {of}")
    leaves: list[Any] = [None if t is None else t.detach().requires_grad_() for t in inputs]
    calls: list[Call] = []
    with enable_grad():
        if isinstance(step.function, conv.ConvGradInput):
            x, w, added = leaves
            y: Any = conv.conv_transpose2d(x, w, added, step.function.window, step.function.groups)
        else:
            y = step.function.again()(*leaves)
        y = y[0] if isinstance(y, tuple) else y
        with watch(calls.append):
            (found,) = graph.grad(y, leaves[place], grad)
    return found._array, calls  # type: ignore[union-attr]


def checked(asked: str, at: Any, shape: Index, what: str, argument: str) -> Index:
    """The index, counted from 0, of an element that exists."""
    given = at.tolist() if hasattr(at, "tolist") else at  # a tensor, an array
    numbers = given if isinstance(given, Sequence) else (given,)
    try:
        place = tuple(index(i) for i in numbers)
    except TypeError:
        place = ()
    if len(place) != len(shape) or not all(-n <= i < n for i, n in zip(place, shape, strict=False)):
        limits = ", ".join(f"0 to {n - 1}" for n in shape)
        empty = prod(shape) == 0
        raise ValueError(
            f"{asked}: {argument}={at!r} is no element of {what}, whose shape is {shape}: "
            + ("it has none" if empty else f"expected {len(shape)} whole numbers, {limits}")
        )
    return tuple(i % n for i, n in zip(place, shape, strict=True))


def kernel_of(calls: list[Call], result: Any) -> str:
    """The kernel that made the result, or the last one that ran."""
    made = [c for c in calls if any(r is result for r in (c.result if isinstance(c.result, tuple) else (c.result,)))]
    if not calls:
        return "NumPy"
    function = (made or calls)[-1].kernel.function
    return f"{function.__module__}.{function.__qualname__}"
