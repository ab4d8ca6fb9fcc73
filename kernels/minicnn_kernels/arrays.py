"""The array type that kernels take and return, and what the arrays of an optimiser's step must have in common."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .errors import DTypeError, ShapeError

Array = NDArray[Any]


def check_step(params: list[Array], grads: list[Array], *states: list[Array] | None) -> None:
    """Refuse a gradient or a state that has another shape or element type than its parameter.

    Raises
    ------
    ShapeError, DTypeError
        With both shapes or types, before anything is changed.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.zeros(3, np.float32)
    >>> check_step([w], [np.ones_like(w)], None)  # no momentum
    >>> try:
    ...     check_step([w], [np.ones(2, np.float32)])
    ... except ShapeError as error:
    ...     print(str(error).partition(";")[0])
    the gradient of a parameter of shape (3,) has the shape (2,)
    """
    shapes, kinds = [param.shape for param in params], [param.dtype for param in params]
    for arrays in (grads, *(state for state in states if state is not None)):
        if [x.shape for x in arrays] == shapes and [x.dtype for x in arrays] == kinds:
            continue
        what, fix = "the optimiser's state", "a new optimiser, or del optimizer.state[parameter]"
        if arrays is grads:
            what, fix = "the gradient", "compute the gradient anew"
        fix = f"they must be equal. Was the parameter given other data meanwhile? Fix: {fix}"
        for param, x in zip(params, arrays, strict=True):
            if x.shape != param.shape:
                raise ShapeError(f"{what} of a parameter of shape {param.shape} has the shape {x.shape}; {fix}")
            if x.dtype != param.dtype:
                raise DTypeError(f"{what} of a parameter of type {param.dtype} has the type {x.dtype}; {fix}")
