"""Whether operations are recorded for the backward pass, per thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from minicnn_kernels.switch import Mode, Switch


class _State(threading.local):
    enabled = True
    anomaly = False
    fusion = True


_state = _State()


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require a gradient are being recorded.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.is_grad_enabled()
    True
    """
    return _state.enabled


def is_anomaly_enabled() -> bool:
    """Whether every operation is checked for NaN.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.is_anomaly_enabled()
    False
    """
    return _state.anomaly


def is_fusion_enabled() -> bool:
    """Whether steps of a network that follow each other may be computed in one.

    Examples
    --------
    >>> import minicnn
    >>> minicnn.is_fusion_enabled()
    True
    """
    return _state.fusion


class _Flag(Mode):
    """A mode of this thread that is on or off, by the name of its flag in ``_state``."""

    setting = "enabled"

    @classmethod
    def read(cls) -> bool:
        return getattr(_state, cls.setting)  # type: ignore[no-any-return]

    @classmethod
    def write(cls, value: bool) -> None:
        setattr(_state, cls.setting, value)


class _Switch(_Flag, Switch):
    """One that begins when it is made."""

    def __init__(self, mode: bool) -> None:
        name = type(self).__name__
        if not isinstance(mode, bool):
            raise TypeError(f"{name}: expected True or False, as in {name}(False); got {mode!r}")
        super().__init__(mode)


class set_grad_enabled(_Switch):  # noqa: N801 - PyTorch's name
    """Record operations, or not, from here on or inside a ``with`` block.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.ones(2, requires_grad=True)
    >>> with minicnn.set_grad_enabled(False):
    ...     print((x * 2).requires_grad)
    False
    """


class set_fusion_enabled(_Switch):  # noqa: N801 - as set_grad_enabled
    """Compute steps of a network that follow each other in one, or not; from here on or in a ``with`` block.

    Inside a module's ``forward``, a convolution, a batch norm, the sum at the end of a residual block and the ReLU
    after them are computed by one call of a kernel (:mod:`minicnn.core.deferred`). The results are those of the single
    steps, up to rounding, and every step is there for whoever looks: this switch is for comparing and for measuring.

    Parameters
    ----------
    mode : bool

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    >>> x = minicnn.randn(1, 1, 5, 5)
    >>> with minicnn.set_fusion_enabled(False):
    ...     y = net(x)
    >>> minicnn.allclose(net(x), y, atol=1e-6)
    True
    """

    setting = "fusion"


class _FixedMode(_Flag):
    """A mode whose value is part of its name; usable as ``@no_grad`` and ``@no_grad()``."""

    fixed = True

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        if callable(function):
            self.__init__()  # type: ignore[misc]
            return self(function)
        return self

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        super().__init__(self.fixed)

    def fresh(self) -> Mode:
        return type(self)()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class no_grad(_FixedMode):  # noqa: N801
    """Do not record: results do not require a gradient. Context manager and decorator.

    Examples
    --------
    >>> import minicnn
    >>> x = minicnn.ones(2, requires_grad=True)
    >>> with minicnn.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    fixed = False


class enable_grad(_FixedMode):  # noqa: N801
    """Record again inside a :class:`no_grad` block. Context manager and decorator."""

    fixed = True


class inference_mode(_FixedMode):  # noqa: N801
    """The same as :class:`no_grad` here (PyTorch's also forbids later use in autograd).

    ``inference_mode(False)`` is :class:`enable_grad`.
    """

    def __init__(self, mode: Any = True) -> None:
        _Flag.__init__(self, not mode)

    def fresh(self) -> Mode:
        return type(self)(not self.value)

    def __repr__(self) -> str:
        return "inference_mode()" if not self.value else "inference_mode(False)"


class anomaly_checks(_Flag):  # noqa: N801
    """Check every operation for NaN, or not, inside a ``with`` block."""

    setting = "anomaly"


class detect_anomaly(_FixedMode):  # noqa: N801
    """Stop at the first NaN, forward or backward, and name the operation and the layer.

    Every result is checked, which costs a pass over each array: for finding
    a fault, not for training.

    Examples
    --------
    >>> import minicnn
    >>> with minicnn.autograd.detect_anomaly():
    ...     minicnn.log(minicnn.tensor([-1.0], requires_grad=True))
    Traceback (most recent call last):
    ...
    minicnn.core.errors.AnomalyError: forward of Log made the first NaN: 1 of 1 elements, at index (0,)
    """

    setting = "anomaly"
    fixed = True


class set_detect_anomaly(_Switch):  # noqa: N801
    """:class:`detect_anomaly` from here on, or no longer; also inside a ``with`` block.

    Examples
    --------
    >>> import minicnn
    >>> with minicnn.autograd.set_detect_anomaly(True):
    ...     print(minicnn.is_anomaly_enabled())
    True
    """

    setting = "anomaly"
