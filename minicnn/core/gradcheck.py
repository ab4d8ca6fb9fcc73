"""Check gradients against finite differences.

For a function ``y = f(x)`` and a random direction ``v`` in the space of
results, ``s(x) = sum(v * f(x))`` is a scalar whose gradient backward computes
in one pass. Central differences give the same number element by element::

    ds/dx_i  ~  (s(x + eps*e_i) - s(x - eps*e_i)) / (2*eps)        error O(eps^2)

A wrong Jacobian shows with probability one, because ``v`` is random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DTypeError
from .grad_mode import no_grad
from .graph import grad
from .tensor import Tensor


class GradcheckError(ValueError, RuntimeError):
    """The gradient that backward computes disagrees with finite differences."""


@dataclass(frozen=True)
class _Mismatch:
    """The worst element of one input."""

    position: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    wrong: int
    size: int
    kinks: int

    def __str__(self) -> str:
        text = (
            f"gradient of input {self.position}: {self.wrong} of {self.size} elements disagree; the worst is at index "
            f"{self.index}: backward gives {self.analytic:.8g}, finite differences give {self.numeric:.8g} "
            f"(difference {abs(self.analytic - self.numeric):.3g})"
        )
        if np.isfinite(self.numeric) and abs(self.numeric) > 1e-12:
            text += f"; backward / finite differences = {self.analytic / self.numeric:.6g}"
        return text + (f". Left out: {self.kinks} elements at a kink" if self.kinks else "")


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    seed: int = 0,
) -> bool:
    """Compare backward's gradients of ``func`` with finite differences.

    An element at a *kink*, where the slopes on the left and on the right
    differ (ReLU at 0, a tie in max-pooling), has no derivative; there any
    value between the two slopes is right.

    Parameters
    ----------
    func : callable
        From the inputs to a tensor, or a tuple of tensors.
    inputs : Tensor or sequence
        Those that require a gradient are checked; they must be ``float64``.
    eps : float, default 1e-6
        Half the distance of the two points of a difference.
    atol, rtol : float, default 1e-5 and 1e-3
        Accepted: ``|backward - difference| <= atol + rtol*|difference|``.
    raise_exception : bool, default True
        Raise on a mismatch; otherwise return False.
    seed : int, default 0
        Of the random direction.

    Returns
    -------
    bool
        True when all elements agree.

    Raises
    ------
    GradcheckError
        Naming the worst element of the worst input, and how many disagree.
    DTypeError
        If an input is not ``float64``: in ``float32`` rounding (1e-7) divided
        by ``eps`` would drown the difference.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([0.5, -2.0], dtype=minicnn.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, x)
    True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, t in enumerate(arguments) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires a gradient. Fix: requires_grad=True")
    for i in checked:
        if arguments[i]._array.dtype != np.float64:
            raise DTypeError(
                f"gradcheck: input {i} is {arguments[i].dtype}; finite differences need float64. Fix: x.double()"
            )

    outputs = _outputs(func(*arguments))
    rng = np.random.default_rng(seed)
    directions = [Tensor._wrap(np.asarray(rng.standard_normal(y.shape))) for y in outputs]
    targets = [arguments[i] for i in checked]
    analytic = grad(outputs, targets, directions, retain_graph=True, allow_unused=True)
    again = grad(outputs, targets, directions, allow_unused=True)

    worst: _Mismatch | None = None
    for i, first, second in zip(checked, analytic, again, strict=True):
        x = arguments[i]._array
        gradient = np.zeros_like(x) if first is None else np.asarray(first._array)
        if first is not None and not np.array_equal(gradient, second._array, equal_nan=True):  # type: ignore[union-attr]
            raise GradcheckError(
                f"gradient of input {i} changes from one backward pass to the next: it is not deterministic"
            )
        if gradient.shape != x.shape:
            raise GradcheckError(f"gradient of input {i} has shape {gradient.shape}; the input has {x.shape}")
        found = _compare(func, arguments, i, gradient, directions, eps, atol, rtol)
        if found is not None and (
            worst is None or abs(found.analytic - found.numeric) > abs(worst.analytic - worst.numeric)
        ):
            worst = found
    if worst is None:
        return True
    if raise_exception:
        raise GradcheckError(f"gradcheck: {worst}")
    return False


def _outputs(result: Any) -> list[Tensor]:
    results = result if isinstance(result, (tuple, list)) else (result,)
    return [y for y in results if isinstance(y, Tensor) and y.requires_grad]


def _compare(
    func: Callable[..., Any],
    arguments: list[Any],
    position: int,
    gradient: Any,
    directions: list[Tensor],
    eps: float,
    atol: float,
    rtol: float,
) -> _Mismatch | None:
    """Finite differences of every element of one input; the worst mismatch, if any."""
    x = arguments[position]._array
    weights = [v._array for v in directions]

    def scalar(values: Any) -> float:
        replaced = [Tensor._wrap(values).requires_grad_() if i == position else a for i, a in enumerate(arguments)]
        results = _outputs(func(*replaced))
        return float(sum(np.vdot(v, y._array) for v, y in zip(weights, results, strict=True)))

    def slopes(index: tuple[int, ...], step: float) -> tuple[float, float, float]:
        """Left, right and central slope at one element."""
        values = x.copy()
        values[index] = x[index] - step
        below = scalar(values)
        values[index] = x[index] + step
        above = scalar(values)
        here = scalar(x.copy())
        return (here - below) / step, (above - here) / step, (above - below) / (2 * step)

    wrong, kinks = [], 0
    for index in np.ndindex(x.shape):
        claimed = float(gradient[index])
        left, right, numeric = slopes(index, eps)
        tolerance = atol + rtol * abs(numeric)
        if abs(claimed - numeric) <= tolerance:
            continue
        if _is_kink(left, right, slopes(index, eps / 2), tolerance) and (
            min(left, right) - tolerance <= claimed <= max(left, right) + tolerance
        ):
            kinks += 1
            continue
        wrong.append((abs(claimed - numeric), index, claimed, numeric))
    if not wrong:
        return None
    _, index, claimed, numeric = max(wrong, key=lambda entry: np.nan_to_num(entry[0], nan=np.inf))
    return _Mismatch(position, index, claimed, numeric, len(wrong), x.size, kinks)


def _is_kink(left: float, right: float, nearer: tuple[float, float, float], tolerance: float) -> bool:
    """The slopes differ by a jump that does not shrink with the step (curvature's does)."""
    jump = abs(right - left)
    return jump > tolerance and abs(nearer[1] - nearer[0]) > 0.75 * jump


def gradgradcheck(func: Callable[..., Any], inputs: Tensor | Sequence[Any], *, seed: int = 0, **options: Any) -> bool:
    """:func:`gradcheck` of the gradient of ``func``: are second derivatives right?

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.tensor([0.5, -2.0], dtype=minicnn.float64, requires_grad=True)
    >>> gradgradcheck(lambda x: x**3, x)
    True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    with no_grad():
        shapes = [y.shape for y in _all_tensors(func(*arguments))]
    rng = np.random.default_rng(seed + 1)
    directions = [Tensor._wrap(np.asarray(rng.standard_normal(shape))).requires_grad_() for shape in shapes]
    count = len(arguments)

    def first_gradient(*values: Any) -> tuple[Tensor | None, ...]:
        given, seeds = values[:count], values[count:]
        targets = [t for t in given if isinstance(t, Tensor) and t.requires_grad]
        outputs = _all_tensors(func(*given))
        return grad(outputs, targets, seeds, create_graph=True, allow_unused=True)

    return gradcheck(first_gradient, [*arguments, *directions], seed=seed, **options)


def _all_tensors(result: Any) -> list[Tensor]:
    return [y for y in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(y, Tensor)]
