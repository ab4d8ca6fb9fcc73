"""A wrong gradient, opened up: where it is wrong, and which known mistake would give exactly these numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from minicnn_kernels import registry

from ..core.figure import new_figure
from ..core.gradcheck import Comparison, compare, gradients
from ..core.tensor import Tensor, from_numpy
from .mistakes import MISTAKES, Mistake, remarks, right
from .mistakes.known import Array
from .pictures.canvas import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HINT = (
    "No known mistake fits. If it has a backward of its own: like=, the same function made of this library's "
    "operations, lets more of them be tried"
)
CLOSE = 1e-4  # of the largest number: finite differences are that good, and backward is better


@dataclass(frozen=True, repr=False)
class InputAutopsy:
    """What was found out about the gradient of one input.

    Attributes
    ----------
    position : int
        Which of the inputs.
    backward, differences : array
        The gradient of backward, and that of finite differences, which is right.
    wrong : array of bool
        Where they disagree.
    worst : tuple of int, or None
        The index of the worst number.
    mistakes : list of str
        The known mistakes that give backward's numbers: "conv2d.grad_weight: the stride is forgotten".
    remarks : list of str
        What else shows: a factor, a sign, a place.
    """

    position: int
    backward: Array
    differences: Array
    wrong: Array
    worst: tuple[int, ...] | None
    mistakes: list[str]
    remarks: list[str]
    _summary: str

    @property
    def right(self) -> bool:
        """Whether both gradients agree."""
        return not self.wrong.any()

    def heat_map(self) -> Array:
        """How large the error is, as a plane: the largest over all dimensions but the last two."""
        error = np.where(self.wrong, np.nan_to_num(np.abs(self.backward - self.differences), nan=np.inf), 0.0)
        plane = np.atleast_2d(error)
        return plane.reshape(-1, *plane.shape[-2:]).max(0)

    def __repr__(self) -> str:
        state = "right" if self.right else f"{self.wrong.sum()} of {self.wrong.size} wrong"
        return f"<InputAutopsy of input {self.position}: {state}>"

    def __str__(self) -> str:
        if self.right:
            return f"input {self.position} {self.backward.shape}: right"
        lines = [self._summary, *_drawn(self.heat_map())]
        lines += [f"  likely mistake: {text}" for text in self.mistakes]
        lines += [f"  {text}" for text in self.remarks]
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Autopsy(Picture):
    """What :func:`gradient_autopsy` returns; ``str()`` is the text, a notebook shows it with the figure.

    Attributes
    ----------
    inputs : list of InputAutopsy
        One for every input that requires a gradient.
    right : bool
        Whether all gradients are.
    mistakes : list of str
        The known mistakes that fit, of all inputs.
    """

    inputs: list[InputAutopsy]
    hint: str = ""

    @property
    def right(self) -> bool:
        return all(found.right for found in self.inputs)

    @property
    def mistakes(self) -> list[str]:
        return list(dict.fromkeys(name for found in self.inputs for name in found.mistakes))

    def __str__(self) -> str:
        return "\n".join([*map(str, self.inputs), *([self.hint] if self.hint else [])])

    def figure(self) -> Figure:
        """Backward's gradient, the right one, and where they differ: of every wrong input, or of all right ones."""
        shown = [found for found in self.inputs if not found.right] or self.inputs
        figure = new_figure(10, 3.2 * len(shown))
        axes = figure.subplots(len(shown), 3, squeeze=False)
        for row, found in zip(axes, shown, strict=True):
            largest = max(float(np.abs(found.differences).max(initial=0)), 1e-12)
            pictures = (
                found.backward,
                found.differences,
                np.where(found.wrong, found.backward - found.differences, 0.0),
            )
            titles = (f"input {found.position}: backward", "finite differences", "backward - differences")
            for axis, values, title in zip(row, pictures, titles, strict=True):
                picture = axis.imshow(_tiled(values), cmap="coolwarm", vmin=-largest, vmax=largest)
                axis.set(title=title, xticks=[], yticks=[])
            figure.colorbar(picture, ax=row.tolist(), shrink=0.8)
        return figure


def gradient_autopsy(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    like: Callable[..., Any] | None = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    seed: int = 0,
) -> Autopsy:
    """Compare backward with finite differences, and find out what kind of mistake is in it.

    Every number of every gradient is compared, as :func:`minicnn.autograd.gradcheck` does. Then known mistakes are
    tried: each is planted in the reference kernel that backward calls (the kernel flipped, the sum over the batch
    stopped after one sample, the stride forgotten, the terms of the mean left out of a batch norm ...), backward runs
    again, and if that gives the numbers in question, the mistake is named.

    Parameters
    ----------
    func : callable
        From the inputs to a tensor, or a tuple of tensors.
    inputs : Tensor or sequence
        Those that require a gradient are looked at; they must be ``float64``.
    like : callable, optional
        The same function made of this library's operations, if ``func`` has a backward of its own
        (:class:`minicnn.autograd.Function`): the mistakes are planted in it.
    eps, atol, rtol, seed
        As in :func:`minicnn.autograd.gradcheck`.

    Returns
    -------
    Autopsy
        With arrays, a text and a ``figure()``.

    Raises
    ------
    ValueError
        If no input requires a gradient, or ``like`` computes something else.
    DTypeError
        If an input is not ``float64``.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn.nn import functional as F
    >>> class Square(minicnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, grad_y):
    ...         (x,) = ctx.saved_tensors
    ...         return grad_y * x
    >>> x = minicnn.tensor([1.0, -2.0, 3.0], dtype=minicnn.float64, requires_grad=True)
    >>> print(gradient_autopsy(Square.apply, x))
    input 0 (3,): 3 of 3 numbers are wrong; the worst is at (2,): backward gives 1.92127, it should be 3.84254
      where (of ten, 9 is the largest error, . is right):  0 1 9
      all numbers are 0.5 times the right ones
    """
    if like is not None:
        _check_same(func, like, inputs)
    compared = compare(func, inputs, eps=eps, atol=atol, rtol=rtol, seed=seed)
    model = func if like is None else like
    true, called = _without_mistakes(model, inputs, seed)
    compared = [_with_ties(found, func, inputs, true, eps, seed) for found in compared]
    wrong = [found for found in compared if found.wrong.any()]
    suspected: dict[int, list[str]] = {found.position: [] for found in compared}
    if wrong and true is not None:
        for operation, known in [(name, known) for name in called for known in MISTAKES[name]]:
            with registry.replaced({name: right(name) for name in called} | _planted(operation, known)):
                made = _attempt(model, inputs, seed)
            for found in wrong:
                if made is not None and _explains(made[found.position], found.backward, true[found.position]):
                    suspected[found.position].append(f"{operation}: {known}")
    numbers = _numbers(inputs)
    opened = [_opened(found, suspected[found.position], numbers) for found in compared]
    unexplained = like is None and any(not (found.right or found.mistakes or found.remarks) for found in opened)
    return Autopsy(opened, HINT if unexplained else "")


def _opened(found: Comparison, mistakes: list[str], numbers: dict[str, float]) -> InputAutopsy:
    wrong = bool(found.wrong.any())
    also = remarks(found.backward, found.differences, numbers) if wrong else []
    summary = ""
    if wrong:
        summary = (
            f"input {found.position} {found.backward.shape}: {found.wrong.sum()} of {found.wrong.size} numbers are "
            f"wrong; the worst is at {found.worst}: backward gives {found.backward[found.worst]:.6g}, "
            f"it should be {found.differences[found.worst]:.6g}"
        )
    worst = found.worst if wrong else None
    return InputAutopsy(found.position, found.backward, found.differences, found.wrong, worst, mistakes, also, summary)


# ---------------------------------------------------------- planting mistakes


def _without_mistakes(func: Callable[..., Any], inputs: Any, seed: int) -> tuple[dict[int, Array] | None, list[str]]:
    """The gradients by the reference kernels, and which kernels with known mistakes were called for them."""
    called: set[str] = set()

    def noting(operation: str) -> Callable[..., Any]:
        kernel = right(operation)

        def function(*arguments: Any) -> Any:
            called.add(operation)
            return kernel(*arguments)

        return function

    with registry.replaced({name: noting(name) for name in MISTAKES if ".grad" in name}):
        true = _attempt(func, inputs, seed)
    return true, sorted(called)


def _with_ties(
    found: Comparison, func: Callable[..., Any], inputs: Any, true: dict[int, Array] | None, eps: float, seed: int
) -> Comparison:
    """Look at the kinks together: of several equal maxima each alone may receive the gradient, but not all of them.

    If all numbers of the input move by the same amount, equal ones stay equal, and the sum of the gradient is the
    slope of the result.
    """
    if found.wrong.any() or not found.kinks.any() or true is None:
        return found
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)

    def scalar(move: float) -> float:
        moved = [from_numpy(a._array + move) if i == found.position else a for i, a in enumerate(arguments)]
        rng = np.random.default_rng(seed)  # the direction of the comparison
        return sum(float(np.vdot(rng.standard_normal(y.shape), y)) for y in _results(func(*moved)))

    slopes = sorted([(scalar(0.0) - scalar(-eps)) / eps, (scalar(eps) - scalar(0.0)) / eps])
    total, allowed = float(found.backward.sum()), 1e-4 * max(1.0, float(np.abs(found.backward).sum()))
    if slopes[0] - allowed <= total <= slopes[1] + allowed:
        return found
    wrong = found.kinks & ~np.isclose(found.backward, true[found.position], rtol=CLOSE, atol=CLOSE)
    differences = np.where(found.kinks, true[found.position], found.differences)
    return replace(found, wrong=wrong, differences=differences)


def _planted(operation: str, known: Mistake) -> dict[str, Callable[..., Any]]:
    """Kernels with the mistake; where it cannot be made, the right result."""
    kernel = right(operation)
    last: dict[str, Any] = {}

    def function(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            made = known.plant(kernel, *arguments, **last)
        return kernel(*arguments) if made is None else made

    kernels: dict[str, Callable[..., Any]] = {operation: function}
    if known.watches is not None:
        watched = right(known.watches)

        def remembering(*arguments: Any) -> Any:
            last["seen"] = arguments
            return watched(*arguments)

        kernels[known.watches] = remembering
    return kernels


def _attempt(func: Callable[..., Any], inputs: Any, seed: int) -> dict[int, Array] | None:
    """The gradients, or None if the mistake does not go with these sizes."""
    try:
        return gradients(func, inputs, seed)
    except (ValueError, IndexError, TypeError, ZeroDivisionError):
        return None


def _explains(made: Array, backward: Array, true: Array) -> bool:
    """Whether the numbers made are backward's, and not the right ones."""
    if made.shape != backward.shape:
        return False
    scale = CLOSE * max(float(np.abs(backward[np.isfinite(backward)]).max(initial=0)), 1e-12)
    return bool(
        np.allclose(made, backward, rtol=CLOSE, atol=scale, equal_nan=True)
        and not np.allclose(made, true, rtol=CLOSE, atol=scale)
    )


def _check_same(func: Callable[..., Any], like: Callable[..., Any], inputs: Any) -> None:
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for ours, theirs in zip(_results(func(*arguments)), _results(like(*arguments)), strict=True):
        scale = float(np.abs(theirs).max(initial=1e-12))
        if ours.shape != theirs.shape:
            at = f"shapes {ours.shape} and {theirs.shape}"
        elif np.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * scale):
            continue
        else:
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(ours - theirs))), ours.shape))
            at = f"at index {index}: {ours[index]:.6g} and {theirs[index]:.6g}"
        raise ValueError(f"gradient_autopsy: func and like must compute the same; they differ, {at}")


def _results(value: Any) -> list[Array]:
    """The arrays of one result or several, without integers such as indices."""
    several = value if isinstance(value, (tuple, list)) else (value,)
    return [np.asarray(y.detach()._array) for y in several if y.is_floating_point()]


def _numbers(inputs: Any) -> dict[str, float]:
    """What a factor may be: the sizes of the inputs."""
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    shapes = [tuple(t.shape) for t in arguments if isinstance(t, Tensor) and t.ndim]
    found = {"the batch size": float(shapes[0][0])} if shapes else {}
    for i, shape in enumerate(shapes):
        if len(shape) > 2:
            found[f"the size of a plane of input {i}"] = float(np.prod(shape[2:]))
        found[f"the number of elements of input {i}"] = float(np.prod(shape))
    return {name: value for name, value in found.items() if value > 1}


# --------------------------------------------------------------------- drawing


def _drawn(plane: Array) -> list[str]:
    """A plane of errors as digits."""
    if plane.size > 400:
        return []
    finite = plane[np.isfinite(plane)].max(initial=0.0) or 1.0
    scaled = np.minimum(np.ceil(np.nan_to_num(plane, posinf=finite) / finite * 10) - 1, 9)
    rows = [
        " ".join("." if value == 0 else f"{int(d)}" for value, d in zip(*both, strict=True))
        for both in zip(plane, scaled, strict=True)
    ]
    title = "  where (of ten, 9 is the largest error, . is right):"
    return [f"{title}  {rows[0]}"] if len(rows) == 1 else [title, *(f"    {row}" for row in rows)]


def _tiled(values: Array) -> Array:
    """All planes (N, C, H, W) in one picture: samples below each other, channels side by side, a gap between."""
    planes = (
        values.reshape(*(1,) * (4 - values.ndim), *values.shape)
        if values.ndim <= 4
        else values.reshape(-1, *values.shape[-3:])
    )
    n, c, h, w = planes.shape
    picture = np.full((n, h + 1, c, w + 1), np.nan)
    picture[:, :h, :, :w] = planes.transpose(0, 2, 1, 3)
    return picture.reshape(n * (h + 1), c * (w + 1))[:-1, :-1]
