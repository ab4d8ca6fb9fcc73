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
from minicnn_kernels.arrays import on_host

from .errors import DTypeError
from .grad_mode import no_grad
from .graph import grad
from .tensor import Tensor


class GradcheckError(ValueError, RuntimeError):
    """The gradient that backward computes disagrees with finite differences."""


@dataclass(frozen=True)
class Comparison:
    """Backward's gradient of one input beside that of finite differences.

    Attributes
    ----------
    position : int
        Which of the inputs.
    backward, differences : array
        Both gradients, shaped like the input.
    wrong : array of bool
        Where they disagree.
    kinks : array of bool
        Elements that were left out because the function has no derivative there.
    """

    position: int
    backward: Any
    differences: Any
    wrong: Any
    kinks: Any

    @property
    def error(self) -> Any:
        """How far they are apart; 0 where they agree."""
        return np.where(self.wrong, np.nan_to_num(np.abs(self.backward - self.differences), nan=np.inf), 0.0)

    @property
    def worst(self) -> tuple[int, ...]:
        """The index of the worst element."""
        return tuple(int(i) for i in np.unravel_index(int(np.argmax(self.error)), self.error.shape))

    def __str__(self) -> str:
        analytic, numeric = float(self.backward[self.worst]), float(self.differences[self.worst])
        text = (
            f"gradient of input {self.position}: {self.wrong.sum()} of {self.wrong.size} elements disagree; the "
            f"worst is at index {self.worst}: backward gives {analytic:.8g}, finite differences give {numeric:.8g} "
            f"(difference {abs(analytic - numeric):.3g})"
        )
        if np.isfinite(numeric) and abs(numeric) > 1e-12:
            text += f"; backward / finite differences = {analytic / numeric:.6g}"
        return text + (f". Left out: {self.kinks.sum()} elements at a kink" if self.kinks.any() else "")


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
    compared = compare(func, inputs, eps=eps, atol=atol, rtol=rtol, seed=seed)
    wrong = [found for found in compared if found.wrong.any()]
    if not wrong:
        return True
    if raise_exception:
        worst = max(wrong, key=lambda found: float(found.error.max()))
        raise GradcheckError(
            f"gradcheck: {worst}. "
            "Why? minicnn.explain.gradient_autopsy(func, inputs) shows where, and tries known mistakes"
        )
    return False


def compare(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    seed: int = 0,
) -> list[Comparison]:
    """Both gradients of every input that requires one; the arguments are those of :func:`gradcheck`."""
    arguments, checked = _checked(inputs)
    outputs, directions, analytic = _backward(func, arguments, checked, seed)
    again = grad(outputs, [arguments[i] for i in checked], directions, allow_unused=True)
    compared = []
    for i, first, second in zip(checked, analytic, again, strict=True):
        x = arguments[i]._array
        gradient = np.zeros(x.shape) if first is None else on_host(first._array)
        if first is not None and not np.array_equal(gradient, on_host(second._array), equal_nan=True):  # type: ignore[union-attr]
            raise GradcheckError(
                f"gradient of input {i} changes from one backward pass to the next: it is not deterministic"
            )
        if gradient.shape != x.shape:
            raise GradcheckError(f"gradient of input {i} has shape {gradient.shape}; the input has {x.shape}")
        compared.append(_compare(func, arguments, i, gradient, directions, eps, atol, rtol))
    return compared


def gradients(func: Callable[..., Any], inputs: Tensor | Sequence[Any], seed: int = 0) -> dict[int, Any]:
    """What backward gives for the direction that :func:`compare` takes, as arrays by the position of the input."""
    arguments, checked = _checked(inputs)
    _, _, found = _backward(func, arguments, checked, seed)
    zeros = (np.zeros(arguments[i]._array.shape) for i in checked)
    return {i: z if g is None else on_host(g._array) for i, g, z in zip(checked, found, zeros, strict=True)}


def _checked(inputs: Tensor | Sequence[Any]) -> tuple[list[Any], list[int]]:
    """All arguments, and the positions of those whose gradients are checked."""
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, t in enumerate(arguments) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires a gradient. Fix: requires_grad=True")
    for i in checked:
        if arguments[i]._array.dtype != np.float64:
            raise DTypeError(
                f"gradcheck: input {i} is {arguments[i].dtype}; finite differences need float64. Fix: x.double()"
            )
    return arguments, checked


def _backward(func: Callable[..., Any], arguments: list[Any], checked: list[int], seed: int) -> Any:
    """Results, a random direction in their space, and the gradients of the product."""
    outputs = _outputs(func(*arguments))
    rng = np.random.default_rng(seed)
    directions = [Tensor._wrap(np.asarray(rng.standard_normal(y.shape), like=y._array)) for y in outputs]
    targets = [arguments[i] for i in checked]
    return outputs, directions, grad(outputs, targets, directions, retain_graph=True, allow_unused=True)


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
) -> Comparison:
    """Finite differences of every element of one input."""
    given = arguments[position]._array
    x = on_host(given)
    weights = [v._array for v in directions]

    def scalar(values: Any) -> float:
        replaced = [
            Tensor._wrap(np.asarray(values, like=given)).requires_grad_() if i == position else a
            for i, a in enumerate(arguments)
        ]
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

    numbers, wrong, kinks = np.empty_like(x), np.zeros(x.shape, bool), np.zeros(x.shape, bool)
    for index in np.ndindex(x.shape):
        claimed = float(gradient[index])
        left, right, numeric = slopes(index, eps)
        numbers[index] = numeric
        tolerance = atol + rtol * abs(numeric)
        if abs(claimed - numeric) <= tolerance:
            continue
        if _is_kink(left, right, slopes(index, eps / 2), tolerance) and (
            min(left, right) - tolerance <= claimed <= max(left, right) + tolerance
        ):
            kinks[index] = True
            continue
        wrong[index] = True
    return Comparison(position, gradient, numbers, wrong, kinks)


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
        results = [y._array for y in _all_tensors(func(*arguments))]
    rng = np.random.default_rng(seed + 1)
    directions = [Tensor._wrap(np.asarray(rng.standard_normal(y.shape), like=y)).requires_grad_() for y in results]
    count = len(arguments)

    def first_gradient(*values: Any) -> tuple[Tensor | None, ...]:
        given, seeds = values[:count], values[count:]
        targets = [t for t in given if isinstance(t, Tensor) and t.requires_grad]
        outputs = _all_tensors(func(*given))
        return grad(outputs, targets, seeds, create_graph=True, allow_unused=True)

    return gradcheck(first_gradient, [*arguments, *directions], seed=seed, **options)


def _all_tensors(result: Any) -> list[Tensor]:
    return [y for y in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(y, Tensor)]
