"""How signals flow through a network: forward the activations, backward the gradients, and how far a step moves."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import ShapeError
from ..core.figure import new_figure
from ..core.grad_mode import enable_grad
from ..core.graph import grad
from ..core.tensor import Tensor, from_numpy
from ..nn import Module
from ..nn.functional import cross_entropy
from .looking import as_batch, checked_model, innermost, outputs_of, paths_of
from .pictures.canvas import Picture
from .printed import text_columns
from .state import checked_mode, left_as_found

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

USUAL = 1e-3  # update-to-weight ratio


def norm(array: Any) -> float:
    """``sqrt(sum x^2)``, added up in float64."""
    return float(np.sqrt(np.sum(np.square(array, dtype=np.float64))))


def rms(array: Any) -> float:
    """``sqrt(mean x^2)``: the norm of one number, whatever the size of the layer."""
    return norm(array) / max(array.size, 1) ** 0.5


def call_name(path: str, call: int) -> str:
    """``conv1``, ``conv1 (call 2)``; the model itself has no path."""
    return f"{path or 'model'} (call {call})" if call > 1 else path or "model"


@dataclass(frozen=True)
class FlowRow:
    """One call of a layer.

    Attributes
    ----------
    path, type : str
    call : int
        2 for the second call of the same layer.
    shape : tuple of int
        Of the output.
    output : float
        Root mean square of the output.
    gradient : float
        Root mean square of the gradient of the loss with respect to the output; 0 if none arrives.
    weight, weight_gradient : float or None
        Norms of the layer's weights and of their gradient; None if it has none that learn.
    update : float or None
        ``norm(change of the weights) / norm(weights)`` of one step.
    """

    path: str
    type: str
    call: int
    shape: tuple[int, ...]
    output: float
    gradient: float
    weight: float | None = None
    weight_gradient: float | None = None
    update: float | None = None


@dataclass(frozen=True, repr=False)
class GradientFlow(Picture):
    """What :func:`minicnn.explain.gradient_flow` returns. ``str()`` is the table, ``figure()`` draws it.

    Attributes
    ----------
    model_name : str
    loss : float
    rows : list of FlowRow
        In the order in which the layers ran.
    """

    model_name: str
    loss: float
    rows: list[FlowRow]

    @property
    def outputs(self) -> Any:
        """Root mean square of each row's output, as an array."""
        return np.array([row.output for row in self.rows])

    @property
    def gradients(self) -> Any:
        """Root mean square of the gradient at each row's output, as an array."""
        return np.array([row.gradient for row in self.rows])

    @property
    def updates(self) -> Any:
        """The update-to-weight ratio of each row; NaN where there is none."""
        return np.array([np.nan if row.update is None else row.update for row in self.rows])

    @property
    def learning(self) -> list[FlowRow]:
        """The rows of layers with weights that learn."""
        return [row for row in self.rows if row.weight is not None]

    @property
    def ratio(self) -> float:
        """The gradient at the first layer that learns, in parts of that at the last: far below 1 it has vanished.

        An average over many positions, as global average pooling, makes it smaller at each of them too; there the
        weights' gradients, which are sums over positions, tell more.
        """
        gradients = [row.gradient for row in self.learning]
        return gradients[0] / gradients[-1] if gradients and gradients[-1] else float("nan")

    def __str__(self) -> str:
        updates = any(row.update is not None for row in self.rows)
        titles = ["Layer", "Type", "Shape", "Output", "Gradient", "Weights", "Their gradient"]
        cells = []
        for row in self.rows:
            numbers = [row.output, row.gradient, row.weight, row.weight_gradient, *([row.update] if updates else [])]
            cells.append(
                [
                    call_name(row.path, row.call),
                    row.type,
                    str(row.shape),
                    *("" if v is None else f"{v:.3g}" for v in numbers),
                ]
            )
        titles += ["Update/weight"] if updates else []
        lines = [f"{self.model_name}: loss {self.loss:.4g}", text_columns(titles, cells, left=3), *self.remarks()]
        return "\n".join(lines)

    def remarks(self) -> list[str]:
        """What the numbers say, in words."""
        found = [
            "Output, Gradient: root mean square of a layer's output, and of the loss's gradient there.",
            "Weights, Their gradient: norms.",
        ]
        if self.learning:
            first, last = self.learning[0], self.learning[-1]
            fate = "" if 1e-3 <= self.ratio <= 1e3 else ": it vanishes" if self.ratio < 1e-3 else ": it explodes"
            found.append(
                f"From {last.path or 'the model'} back to {first.path or 'the model'} the gradient changes by a "
                f"factor of {self.ratio:.3g}{fate}."
            )
        if any(row.update is not None for row in self.rows):
            found.append(f"Update/weight: norm(step) / norm(weights); about {USUAL:g} is usual.")
        return found

    def figure(self) -> Figure:
        """Output, gradient and update-to-weight ratio, layer by layer, on logarithmic axes."""
        updates = np.isfinite(self.updates).any()
        count = 3 if updates else 2
        fig = new_figure(max(6.0, min(16.0, 0.32 * len(self.rows) + 2)), 2.0 * count + 1.0)
        axes = fig.subplots(count, 1, sharex=True)
        _line(axes[0], self.outputs, "output\n(rms)", "tab:blue")
        _line(axes[1], self.gradients, "gradient\n(rms)", "tab:red")
        if updates:
            axes[2].axhspan(USUAL / 10, USUAL * 10, color="tab:green", alpha=0.08)
            axes[2].axhline(USUAL, color="tab:green", linewidth=1, linestyle="--")
            _line(axes[2], self.updates, "update / weight", "tab:green")
        name_layers(axes[-1], [f"{row.path} {row.type}".strip() for row in self.rows])
        fig.suptitle(f"{self.model_name}: forward and backward, layer by layer (loss {self.loss:.4g})", fontsize=11)
        return fig


def _line(ax: Axes, values: Any, label: str, colour: str) -> None:
    """Positive numbers on a logarithmic axis."""
    places = np.flatnonzero(np.isfinite(values) & (values > 0))
    ax.plot(places, values[places], "o-", color=colour, markersize=3.5, linewidth=1.2)
    ax.set_yscale("log")
    ax.set_ylabel(label)
    ax.grid(True, axis="y", linewidth=0.4, alpha=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def name_layers(ax: Axes, names: Sequence[str], most: int = 48) -> None:
    """The layers' names under the axis; of very many, every second or third."""
    step = -(-len(names) // most)
    ax.set_xticks(range(0, len(names), step), list(names)[::step], rotation=90, fontsize=7)
    ax.set_xlim(-0.6, len(names) - 0.4)


def gradient_flow(
    model: Module,
    batch: Any,
    loss: Callable[..., Tensor] | None = None,
    *,
    optimizer: Any = None,
    lr: float | None = None,
    mode: str = "train",
) -> GradientFlow:
    """How large the signals are in every layer: forward, backward, and what one step would change.

    One forward and one backward pass of the model, watched by hooks. For every layer the root mean squares of its
    output y and of the gradient dL/dy; for its weights w the norms of w and dL/dw, and the *update-to-weight ratio*
    ``norm(w_new - w) / norm(w)``. In a healthy network all layers are within a few powers of ten. A gradient that
    shrinks by a constant factor per layer is what keeps deep plain networks from learning.

    The model, its gradients (``.grad``), its statistics and the optimiser are left as they were.

    Parameters
    ----------
    model : Module
    batch : pair (inputs, labels), or Tensor
        As a ``DataLoader`` gives it; or one image (C, H, W) and its label, as a dataset does.
    loss : callable, optional
        ``loss(output, labels)``, or ``loss(output)`` where ``batch`` is a tensor alone. Default: cross-entropy.
    optimizer : Optimizer, optional
        Its next step is taken on a copy, so momentum and Adam's moments count.
    lr : float, optional
        Instead of an optimiser: the step of gradient descent, ``-lr * dL/dw``.
    mode : {"train", "eval", "same"}
        How the model runs.

    Returns
    -------
    GradientFlow
        ``rows``; ``outputs``, ``gradients``, ``updates`` as arrays; ``figure()``.

    Raises
    ------
    ValueError
        If there is no loss for the batch, or both an optimiser and a learning rate are given.

    References
    ----------
    Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010, section 4
    (activations and gradients by layer); He et al., *Deep residual learning*, 2015, section 4.1; the ratio of 0.001:
    Karpathy, *CS231n notes*, "Babysitting the learning process".

    Examples
    --------
    Two layers that halve and double: y = 0.5 x, z = 2 y, L = z. So dL/dz = 1, dL/dy = 2, dL/dw = 2 x = 8.

    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    >>> for layer, weight in zip(net, (0.5, 2.0)):
    ...     _ = nn.init.constant_(layer.weight, weight)
    >>> flow = minicnn.explain.gradient_flow(net, minicnn.tensor([[4.0]]), lambda z: z.sum(), lr=0.01)
    >>> print(flow)
    Sequential: loss 4
    Layer  Type    Shape   Output  Gradient  Weights  Their gradient  Update/weight
    -------------------------------------------------------------------------------
    0      Linear  (1, 1)       2         2      0.5               8           0.16
    1      Linear  (1, 1)       4         1        2               2           0.01
    Output, Gradient: root mean square of a layer's output, and of the loss's gradient there.
    Weights, Their gradient: norms.
    From 1 back to 0 the gradient changes by a factor of 2.
    Update/weight: norm(step) / norm(weights); about 0.001 is usual.
    """
    checked_model(model, "gradient_flow")
    checked_mode(mode, "gradient_flow")
    if optimizer is not None and lr is not None:
        raise ValueError(
            "gradient_flow: give an optimizer or lr, which is the step of plain gradient descent; got both"
        )
    if loss is not None and not callable(loss):
        raise TypeError(
            f"gradient_flow: loss must be a function, loss(output, labels); got {loss!r}. "
            "Fix: loss=F.mse_loss, or loss=nn.MSELoss()"
        )
    inputs, compute_loss = _loss_of(batch, loss, model)
    params = [p for p in model.parameters() if p.requires_grad]
    calls: list[dict[str, Any]] = []

    def keep(layer: Module, output: Tensor) -> None:
        call = {"layer": layer, "shape": tuple(output.shape), "output": rms(output._array), "gradient": 0.0}
        calls.append(call)
        if output.requires_grad:
            output.register_hook(lambda g: call.update(gradient=rms(g._array)))

    with left_as_found(model, mode), enable_grad(), outputs_of(innermost(model), keep):
        value = compute_loss(model(inputs))
        _check_loss(value)
        found = grad(value, [*params, inputs], allow_unused=True)
    grads = {id(p): g for p, g in zip(params, found, strict=False) if g is not None}
    steps = _steps(optimizer, lr, params, grads)
    paths = paths_of(model)
    seen: Counter[int] = Counter()
    rows = []
    for call in calls:
        layer = call.pop("layer")
        seen[id(layer)] += 1
        facts: dict[str, Any] = _of_weights(layer, grads, steps)
        rows.append(FlowRow(paths[id(layer)], type(layer).__name__, seen[id(layer)], **call, **facts))
    return GradientFlow(type(model).__name__, float(value.detach()), rows)


def _loss_of(batch: Any, loss: Any, model: Module) -> tuple[Tensor, Callable[[Any], Any]]:
    """The inputs, as a leaf that requires a gradient, and the loss as a function of the output alone."""
    pair = isinstance(batch, (tuple, list)) and len(batch) == 2
    inputs = batch[0] if pair else batch
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        raise TypeError(
            f"gradient_flow: batch is (inputs, labels), or a tensor of inputs; got {type(batch).__name__}. "
            "Fix: gradient_flow(model, next(iter(loader)))"
        )
    if not pair and loss is None:
        raise ValueError(
            "gradient_flow: a batch without labels has no loss. Fix: gradient_flow(model, (inputs, labels)), or a "
            "loss of the output alone, loss=lambda y: y.square().mean()"
        )
    leaf = as_batch(from_numpy(inputs._array.copy()), model).requires_grad_()
    if not pair:
        return leaf, loss
    labels = batch[1]
    if leaf.ndim > inputs.ndim:  # an image alone, and its label
        labels = labels.unsqueeze(0) if isinstance(labels, Tensor) else from_numpy(np.array([labels]))
    return leaf, lambda output: (loss or cross_entropy)(output, labels)


def _check_loss(value: Any) -> None:
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        got = f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ShapeError(f"gradient_flow: the loss must be one number that depends on the model; got {got}")


def _steps(optimizer: Any, lr: float | None, params: Sequence[Tensor], grads: dict[int, Tensor]) -> dict[int, Any]:
    """By parameter, the change that one step makes."""
    if lr is not None:
        return {id(p): -lr * grads[id(p)]._array for p in params if id(p) in grads}
    if optimizer is None:
        return {}
    twin = copy.deepcopy(optimizer)
    pairs = [
        (old, new)
        for before, after in zip(optimizer.param_groups, twin.param_groups, strict=True)
        for old, new in zip(before["params"], after["params"], strict=True)
    ]
    for old, new in pairs:
        new.grad = grads.get(id(old))
    twin.step()
    return {id(old): new._array - old._array for old, new in pairs}


def _of_weights(layer: Module, grads: dict[int, Tensor], steps: dict[int, Any]) -> dict[str, float]:
    """The norms of a layer's weight, or of all its parameters if it has none of that name."""
    own = [p for p in layer._parameters.values() if p is not None and id(p) in grads]
    weight = layer._parameters.get("weight")
    if weight is not None:
        own = [p for p in own if p is weight]
    if not own:
        return {}
    size = norm(np.array([norm(p._array) for p in own]))
    facts = {"weight": size, "weight_gradient": norm(np.array([norm(grads[id(p)]._array) for p in own]))}
    if all(id(p) in steps for p in own):
        step = norm(np.array([norm(steps[id(p)]) for p in own]))
        facts["update"] = step / size if size else float("inf") if step else 0.0
    return facts
