"""What all optimisers share: parameter groups, the state of each parameter, saving and loading."""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import capture
from ..core import device as devices
from ..core.errors import ShapeError
from ..core.grad_mode import enable_grad
from ..core.tensor import Tensor
from .captured import not_together

Array = NDArray[Any]
SWITCHES = ("foreach", "fused", "capturable", "differentiable")
Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class Optimizer:
    """Base of the optimisers.

    A subclass names its options in ``defaults`` and says in :meth:`update`
    how one parameter changes; or it overrides :meth:`step` altogether. (The optimisers of this package
    change all parameters of a group by one call of a kernel: ``together.py``.)

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor), or of dict
        What to optimise. A dictionary is a *group*: ``{"params": [...], "lr": 0.01}``, with options of its own.
    defaults : dict
        Options of the groups that do not set them.

    Attributes
    ----------
    param_groups : list of dict
        The groups; change ``group["lr"]`` at any time.
    state : dict
        For each parameter, what the optimiser remembers (momentum, number of steps).

    Raises
    ------
    TypeError
        If ``params`` is a tensor, or contains something else than tensors.
    ValueError
        If there are no parameters, one occurs twice, one is the result of an
        operation, or an option is out of range.

    Examples
    --------
    The textbook's gradient descent:

    >>> import minicnn
    >>> class Descent(Optimizer):
    ...     def update(self, param, grad, state, group):
    ...         param -= group["lr"] * grad
    >>> w = minicnn.tensor([1.0], requires_grad=True)
    >>> optimizer = Descent([w], {"lr": 0.25})
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.5000])
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in cls.__dict__:
            cls.step = _noted(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: params is one tensor; expected a list of tensors or of groups. "
                "Fix: [tensor], or model.parameters()"
            )
        if not isinstance(params, Iterable):
            raise TypeError(
                f"{type(self).__name__}: params must be a list of tensors or of groups; got {type(params).__name__}. "
                "Fix: model.parameters()"
            )
        self.check(defaults)
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._stepped = False  # for the learning-rate schedulers, which come after
        given: list[Any] = list(params)
        if not given:
            raise ValueError(
                f"{type(self).__name__}: the list of parameters is empty. A generator such as model.parameters() is "
                "empty after its first use; call parameters() again"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    # ------------------------------------------------------------ what subclasses define

    def check(self, group: dict[str, Any]) -> None:
        """Raise ValueError if an option of a group is out of its range."""

    def update(self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change the array ``param`` in place, by its gradient, its own ``state`` and the options of its ``group``."""
        raise TypeError(f"{type(self).__name__} must define update(self, param, grad, state, group), or step(self)")

    # ----------------------------------------------------------------------- stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss anew, with its gradients, and returns it.

        Returns
        -------
        loss
            What ``closure`` returned, or None.
        """
        self._stepped = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            ready = [param for param in group["params"] if param.grad is not None]
            for param in ready:
                if param.grad._array.shape != param._array.shape:
                    raise ShapeError(
                        f"{type(self).__name__}: a parameter of shape {tuple(param.shape)} has a gradient of shape "
                        f"{tuple(param.grad.shape)}; they must be equal"
                    )
            with np.errstate(all="ignore"):  # infinities and NaN are values, as in PyTorch
                self._update_group(ready, group)
            for param in ready:
                if not self.state[param]:
                    del self.state[param]  # nothing to remember: nothing in state_dict()
        return loss

    def _update_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """Change all parameters of a group: one by one, if the subclass says nothing else."""
        if params and capture.recording is not None:
            raise not_together(self)
        for param in params:  # counted as changes: an older graph that still needs the old values will say so
            self.update(param._to_change(), param.grad._array, self.state[param], group)  # type: ignore[union-attr]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, so that the next backward pass starts from nothing.

        Parameters
        ----------
        set_to_none : bool, default True
            Set ``.grad`` to None, which frees its memory; otherwise fill it with zeros.
        """
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none or param.grad is None:
                    param.grad = None
                else:
                    param.grad = param.grad.detach()
                    with devices.beside(param.grad._array):
                        param.grad._array[...] = 0
                    param.grad._versions.count += 1

    # ------------------------------------------------------------------------- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, for instance of layers that have just been unfrozen.

        Parameters
        ----------
        param_group : dict
            ``"params"`` and, where they differ from the defaults, options.
        """
        who = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{who}: a group is a dictionary with the key 'params'; got {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(f"{who}: a set of parameters has another order in every run. Fix: a list")
        params = [given] if isinstance(given, Tensor) else list(given)
        named = [item for item in params if isinstance(item, tuple)]
        if named and len(named) != len(params):
            raise ValueError(f"{who}: {len(named)} of {len(params)} parameters have a name. Fix: name all or none")
        names = {"param_names": [name for name, _ in named]} if named else {}
        params = [param for _, param in named] if named else params
        known = {id(param) for group in self.param_groups for param in group["params"]}
        for param in params:
            _check_parameter(param, who)
            if id(param) in known:
                raise ValueError(f"{who}: a parameter of shape {tuple(param.shape)} occurs twice. Fix: list it once")
            known.add(id(param))
        for group in self.param_groups:
            if ("param_names" in group) != bool(named):
                raise ValueError(f"{who}: some groups name their parameters, some do not. Fix: name all or none")
        param_group.update(
            {"params": params, **names, **{k: v for k, v in self.defaults.items() if k not in param_group}}
        )
        self.check(param_group)
        self.param_groups.append(param_group)

    # ------------------------------------------------------------- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the state as PyTorch arranges it: parameters are replaced by their numbers.

        Returns
        -------
        dict
            ``"state"``, by the number of the parameter, and ``"param_groups"``.
            The tensors are the optimiser's own, not copies.
        """
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers[id(param)] = len(numbers)
        groups = [
            {**{name: value for name, value in group.items() if name != "params"},
             "params": [numbers[id(param)] for param in group["params"]]}
            for group in self.param_groups
        ]  # fmt: skip
        state = {numbers.get(id(key), key): value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a :meth:`state_dict`, of this optimiser or of PyTorch's of the same name.

        Parameters
        ----------
        state_dict : dict
            It is copied. Options in it replace the current ones.

        Raises
        ------
        ValueError
            If the groups or the parameters are not those of this optimiser.
        """
        who = type(self).__name__
        if not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(
                f"{who}: the state of an optimiser has the keys 'state' and 'param_groups'; got "
                f"{list(state_dict)[:6]}. Fix: of a whole checkpoint, give the part that was optimizer.state_dict()"
            )
        groups = copy.deepcopy(state_dict["param_groups"])
        ours, theirs = ([len(group["params"]) for group in g] for g in (self.param_groups, groups))
        if ours != theirs:
            raise ValueError(f"{who}: this optimiser has groups of {ours} parameters, the loaded state of {theirs}")
        by_number: dict[Any, Tensor] = {}
        for group, loaded in zip(self.param_groups, groups, strict=True):
            by_number.update(zip(loaded["params"], group["params"], strict=True))
            loaded["params"] = group["params"]
            if "param_names" in group:
                loaded.setdefault("param_names", group["param_names"])
            loaded.update({name: self.defaults[name] for name in SWITCHES if name in self.defaults})
            self.check({**self.defaults, **loaded})
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, values in state_dict["state"].items():
            param = by_number.get(number)
            state[number if param is None else param] = {
                name: _fitting(value, param, f"{who}: the loaded {name!r} of parameter {number}", name == "step")
                for name, value in values.items()
            }
        self.state = state
        self.param_groups = [{**self.defaults, **group} for group in groups]

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for number, group in enumerate(self.param_groups):
            text += f"\nParameter Group {number}\n"
            text += "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
        return text + ")"


def _noted(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` of a subclass, which also notes that it was called."""

    @functools.wraps(step)
    def noted(self: Optimizer, *arguments: Any, **options: Any) -> Any:
        self._stepped = True
        return step(self, *arguments, **options)

    return noted


def _check_parameter(param: Any, who: str) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(f"{who}: optimisers change tensors; one of the parameters is a {type(param).__name__}")
    if not param.is_leaf:
        raise ValueError(
            f"{who}: a tensor of shape {tuple(param.shape)} is the result of an operation ({param.grad_fn}), and gets "
            "no gradient of its own. Fix: give the tensor it was computed from, or w = w.detach().requires_grad_()"
        )
    if not param.is_floating_point():
        raise ValueError(f"{who}: only floating-point tensors can be optimised; one of the parameters is {param.dtype}")


def _fitting(value: Any, param: Tensor | None, what: str, as_it_is: bool) -> Any:
    """A copy of a loaded value, in the parameter's type."""
    if as_it_is and isinstance(value, Real):  # PyTorch before 1.12 counts the steps with a number
        return Tensor._wrap(np.array(value, np.float32))
    if not isinstance(value, Tensor) or param is None:
        return copy.deepcopy(value)
    if not as_it_is and value.shape != param.shape:
        raise ShapeError(f"{what} has the shape {tuple(value.shape)}, the parameter {tuple(param.shape)}")
    if as_it_is:
        return value.detach().cpu().clone()
    return value.detach().to(param, copy=True)


# ------------------------------------------------------------------ for the optimisers


def check_range(group: dict[str, Any], name: str, below: float | None = None) -> None:
    """Raise unless the option is a number >= 0 (and < ``below``)."""
    values = group[name] if isinstance(group[name], (tuple, list)) else [group[name]]
    for value in values:
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number; got {type(value).__name__}. Fix: float(...), or x.item()")
        if not 0 <= float(value) < (float("inf") if below is None else below):
            limits = "a number from 0 on" if below is None else f"at least 0 and less than {below:g}"
            raise ValueError(f"{name} must be {limits}; got {name}={group[name]}")


def check_switches(group: dict[str, Any]) -> None:
    """Raise if one of PyTorch's switches between its implementations is on: there is one implementation here."""
    for name in SWITCHES:
        if group.get(name) not in (None, False):
            raise ValueError(
                f"{name}={group[name]!r} chooses one of PyTorch's implementations; minicnn has one. Leave it out"
            )
