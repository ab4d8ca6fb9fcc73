"""Making tensors: from data, filled, in sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minicnn_kernels.arrays import is_array, on_device, on_host

from ..core import dtype as dtypes
from ..core.device import check_device, cupy, device_of, made_on, on, placed
from ..core.errors import DTypeError, ShapeError
from ..core.tensor import Tensor
from .operands import sizes


def finish(array: Any, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a new NumPy array, on the device."""
    return finish_at(made_on(array, device), requires_grad)


def made(
    what: str, size: tuple[int, ...], values: tuple[Any, ...], kind: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor by NumPy's ``zeros``, ``ones``, ``empty`` or ``full``; on a GPU by CuPy's, so nothing is copied."""
    where = check_device(device)
    with on(where.index):
        module = np if where.index is None else cupy()
        return finish_at(getattr(module, what)(size, *values, kind), requires_grad)


def kind_of(dtype: Any, default: Any = None) -> np.dtype[Any]:
    """NumPy's type for ``dtype``; None gives ``default``, or the default floating type."""
    if dtype is None:
        return default if default is not None else dtypes.get_default_dtype().numpy
    return dtypes.as_dtype(dtype).numpy


def _element_types(data: Any) -> set[Any]:
    """Types of the elements of nested lists: Python types, or NumPy's for arrays, tensors and their scalars."""
    if isinstance(data, Tensor):
        return {data._array.dtype}
    if isinstance(data, np.generic) or is_array(data):
        return {data.dtype}
    if isinstance(data, (list, tuple, range)):
        kinds = set(map(type, data))
        if kinds <= {bool, int, float}:
            return kinds
        return set().union(*map(_element_types, data))
    return {type(data)}


def _infer(data: Any) -> np.dtype[Any]:
    """Type of a tensor made of ``data``: Python floats become the default type, NumPy's types stay."""
    kinds = {k if isinstance(k, np.dtype) else _python_kind(k) for k in _element_types(data)}
    if not kinds:
        return dtypes.get_default_dtype().numpy
    result = kinds.pop()
    for kind in kinds:
        result = dtypes.promote(result, kind)
    return dtypes.from_numpy_dtype(result).numpy


def _python_kind(kind: type) -> np.dtype[Any]:
    if kind in (bool, int, float):
        return dtypes.as_dtype(kind).numpy
    raise DTypeError(f"tensor: elements must be numbers; got {kind.__name__}")


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with its own copy of ``data``.

    Parameters
    ----------
    data : number, nested lists of numbers, numpy.ndarray or Tensor
        Python floats become the default type (float32), ints int64, bools
        bool; arrays keep their type.
    dtype : dtype, optional
        The type, instead of the one found from the data.
    device : optional
        ``"cpu"``, ``"cuda"``; default: where ``data`` is, or the default device.
    requires_grad : bool, default False
        Record operations on it.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> minicnn.tensor([1, 2.5])
    tensor([1.0000, 2.5000])
    """
    kind = kind_of(dtype) if dtype is not None else _infer(data)
    array = data._array if isinstance(data, Tensor) else data
    if on_device(array):  # a copy there, or on the device that is named
        where = device_of(array) if device is None else check_device(device)
        return finish_at(placed(array.astype(kind), where), requires_grad)
    return finish(np.array(_plain(data), dtype=kind), device, requires_grad)


def finish_at(array: Any, requires_grad: bool = False) -> Tensor:
    """A tensor of a new array where that is."""
    t = Tensor._wrap(array)
    if requires_grad:
        t.requires_grad = True
    return t


def _plain(data: Any) -> Any:
    """``data`` with arrays for tensors, of equal lengths at every level."""
    if isinstance(data, Tensor) or is_array(data):
        return on_host(data._array if isinstance(data, Tensor) else data)
    if not isinstance(data, (list, tuple)):
        return data
    if any(isinstance(item, (Tensor, list, tuple)) or is_array(item) for item in data):
        data = [_plain(item) for item in data]
    try:
        array = np.array(data)
    except (ValueError, OverflowError):
        lengths = [len(item) if hasattr(item, "__len__") else "a number" for item in data]
        raise ShapeError(
            f"tensor: nested lists must have equal lengths at every level; found these side by side: {lengths[:8]}"
        ) from None
    return array


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ``size`` with ``fill_value`` everywhere.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    kind = kind_of(dtype, dtypes.number_dtype(value))
    return made("full", sizes("full", (size,)), (value,), kind, device, requires_grad)


def zeros(*given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; the size as ``zeros(2, 3)`` or ``zeros((2, 3))``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return made("zeros", sizes("zeros", given, size), (), kind_of(dtype), device, requires_grad)


def ones(*given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones(2, dtype=minicnn.int64)
    tensor([1, 1])
    """
    return made("ones", sizes("ones", given, size), (), kind_of(dtype), device, requires_grad)


def empty(*given: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose elements are not set: whatever the memory holds.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.empty(2, 3).shape
    minicnn.Size([2, 3])
    """
    return made("empty", sizes("empty", given, size), (), kind_of(dtype), device, requires_grad)


def like(input: Tensor, make: Any, values: tuple[Any, ...], dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """What ``make(array, *values, dtype)`` makes, where ``input`` is or on the device that is named."""
    array = input._array
    if device is not None and (where := check_device(device)) != device_of(array):
        array = placed(np.empty((1,) * array.ndim, array.dtype), where)
        return finish_at(
            make(array, *values, kind_of(dtype, input._array.dtype), shape=input._array.shape), requires_grad
        )
    return finish_at(make(array, *values, kind_of(dtype, array.dtype)), requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape, and unless told otherwise the type, of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.zeros_like(minicnn.tensor([1, 2]))
    tensor([0, 0])
    """
    return like(input, np.zeros_like, (), dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.ones_like(minicnn.tensor([1, 2]))
    tensor([1, 1])
    """
    return like(input, np.ones_like, (), dtype, device, requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the shape and type of ``input``, not set.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.empty_like(minicnn.ones(2, 3)).shape
    minicnn.Size([2, 3])
    """
    return like(input, np.empty_like, (), dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``fill_value`` everywhere, in the shape and type of ``input``.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.full_like(minicnn.zeros(2), 3)
    tensor([3., 3.])
    """
    return like(input, np.full_like, (fill_value,), dtype, device, requires_grad)


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from ``start`` to before ``end`` by ``step``; int64 if all are ints, else the default floating type.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.arange(4), minicnn.arange(1, 2, 0.5)
    (tensor([0, 1, 2, 3]), tensor([1.0000, 1.5000]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, Tensor) else v for v in (start, end, step))
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step must lead from start to end; got start={start}, end={end}, step={step}")
    integers = all(dtypes.number_dtype(v).kind != "f" for v in (start, end, step))
    kind = kind_of(dtype, dtypes.int64.numpy if integers else None)
    count = -((start - end) // step) if integers else int(np.ceil((end - start) / step))
    values = start + np.arange(count) * step
    return finish(values.astype(kind), device, requires_grad)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    return finish(np.linspace(start, end, steps).astype(kind_of(dtype)), device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers that :func:`linspace` gives.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    return finish(np.logspace(start, end, steps, base=base).astype(kind_of(dtype)), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The ``n x m`` matrix with ones on the diagonal.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return finish(np.eye(n, m, dtype=kind_of(dtype)), device, requires_grad)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinate grids of one-dimensional tensors.

    Examples
    --------
    >>> import minicnn
    >>> rows, columns = minicnn.meshgrid(minicnn.arange(2), minicnn.arange(3), indexing="ij")
    >>> rows
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy'; got {indexing!r}")
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Sequence) else tensors
    shape = [t.numel() for t in given]
    n = len(given)
    grids = [t.reshape([-1 if i == j else 1 for j in range(n)]).expand(shape) for i, t in enumerate(given)]
    return tuple(g.transpose(0, 1) if indexing == "xy" and n > 1 else g for g in grids)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class indices as vectors of zeros with a one at the index: ``(*)`` to ``(*, num_classes)``, int64.

    ``num_classes=-1`` takes one more than the largest index.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.ops.creation import one_hot
    >>> one_hot(minicnn.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = tensor._array
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: class indices must be integers; got {tensor.dtype}. Fix: labels.long()")
    if num_classes == -1 and labels.size == 0:
        raise ShapeError("one_hot: the number of classes cannot be found from no labels. Fix: give num_classes")
    classes = int(labels.max()) + 1 if num_classes == -1 else num_classes
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if labels.size and not (low >= 0 and high < classes):
        raise ShapeError(f"one_hot: class indices must lie in [0, {classes - 1}]; got {low} to {high}")
    return Tensor._wrap((labels[..., None] == np.arange(classes, like=labels)).astype(np.int64))
