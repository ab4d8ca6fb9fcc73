"""``compile`` and the module it returns: when a program runs in place of the model, and when the model itself."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from minicnn_kernels.arrays import on_device
from minicnn_kernels.conv_algorithms import active_conv_algorithm
from minicnn_kernels.registry import active_backend, any_replaced

from ..core import grad_mode
from ..core.dtype import get_default_dtype
from ..core.recording import records
from ..core.tensor import Tensor
from ..nn import Module
from .program import Program, StaleError
from .recording import CompileError, compiled
from .structure import Structure

_turn = threading.Lock()  # held by who records a model


def _after_fork() -> None:
    """In a forked process: another thread of the parent may have been recording, and will never come to its end."""
    global _turn
    _turn = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

PROGRAMS = 64  # shapes, types and backends of one model; further ones run eagerly


def compile(
    model: Module,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: Any = None,
    disable: bool = False,
) -> Module:
    """Make inference faster: the forward pass is recorded, and its kernels are then called one after the other.

    Between two kernels, the layers' Python code takes some 50 microseconds, which is a good part of the time of a
    small network with one image. A compiled model does without: at the first call with inputs of some shape and type
    it writes down which kernels run, joins neighbours (convolution, batch norm, sum and ReLU are one), and from then on
    calls these, with the parameters as they are at the time of the call.

    That happens in evaluation mode, where no gradient is needed (``no_grad``), there are no hooks, and all
    arguments are tensors. In all other cases the model runs as always, so a compiled model can be trained too.

    Parameters
    ----------
    model : Module
        It is not changed; the compiled one shares all that it has.
    fullgraph : bool, default False
        Raise an error, instead of running the model as always with a warning, if no list of kernel calls can stand for
        it: where its ``forward`` decides by the numbers in its input, draws random numbers, or changes a buffer.
    disable : bool, default False
        Return the model itself.
    dynamic, backend, mode, options
        PyTorch's; they make no difference here.

    Returns
    -------
    CompiledModule
        Has the parameters, the buffers, the layers, the hooks and the ``state_dict`` of the model, under the same
        names, and prints as it does.

    Raises
    ------
    CompileError
        With ``fullgraph=True``, by a call of the compiled model.

    Notes
    -----
    What a recording cannot see is Python code between the operations. Every program is made of two recordings on
    different numbers, which must agree, and checked against the model on both. A decision that falls alike for
    both (an ``if`` for rare images) goes unnoticed, and so does code that does something else than computing: it runs
    while recording, and not in later calls. Leave such a model as it is.

    Examples
    --------
    >>> import minicnn as torch
    >>> from minicnn import nn
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    >>> model = torch.compile(model.eval())
    >>> x = torch.randn(1, 3, 8, 8)
    >>> with torch.no_grad():
    ...     y = model(x)
    >>> y.shape
    minicnn.Size([1, 10])
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"compile: expected an nn.Module; got {type(model).__name__}. "
            "Fix: compile the model, as model = compile(model)"
        )
    return model if disable else CompiledModule(model, fullgraph)


class CompiledModule(Module):
    """What :func:`compile` returns: the model, run by programs where that is possible.

    It has no state of its own: attributes are read from the model and written to it. ``_orig_mod`` is the model.
    A copy (``copy.deepcopy``, pickle) is a new compiled module of the copied model, which records anew.
    """

    def __init__(self, model: Module, fullgraph: bool = False) -> None:
        self.__dict__.update(
            _orig_mod=model._orig_mod if isinstance(model, CompiledModule) else model,
            _fullgraph=fullgraph,
            _structure=None,
            _programs={},
            _latest=None,
            _warned=False,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run a program for inputs like these; where that cannot be, the model."""
        if not kwargs and self._may_replay(args):
            arrays = [t._array for t in args]
            key = (
                *(active_backend(), active_conv_algorithm(), get_default_dtype()),
                *[(type(a), a.shape, a.dtype, a.strides) for a in arrays],
            )
            for _ in range(2):
                found = self._programs.get(key) or self._compiled(key, arrays)
                if found == "eager":
                    return self._eager(args)
                program, pack = found
                if program is not self._latest:
                    self._let_rest(program)
                try:
                    return pack(iter(program.run(arrays)))
                except StaleError:
                    self._programs.pop(key, None)
        return self._orig_mod(*args, **kwargs)

    forward = __call__

    def _let_rest(self, program: Program) -> None:
        """Only the latest program keeps the memory of its results."""
        before = self._latest
        self.__dict__["_latest"] = program
        if before is not None:
            before.rest()

    def _eager(self, args: tuple[Any, ...]) -> Any:
        """Run the model, which was refused: if it changes its own attributes, it is not tried again for that."""
        result = self._orig_mod(*args)
        if not self._structure.holds():
            refused = {key: "eager" for key, found in self._programs.items() if found == "eager"}
            self.__dict__.update(_structure=Structure(self._orig_mod), _programs=refused)
        return result

    def _may_replay(self, args: tuple[Any, ...]) -> bool:
        """Whether only the numbers of the result are wanted, and the layers are those that were recorded."""
        if not args or records.open or grad_mode.is_anomaly_enabled() or not grad_mode.is_fusion_enabled():
            return False
        if any_replaced():
            return False
        for t in args:
            if not isinstance(t, Tensor) or not t._form.size:
                return False
        if self._orig_mod.training:
            return False
        if self._structure is None or not self._structure.holds():
            now = Structure(self._orig_mod)
            if not now.quiet():
                return False
            self.__dict__.update(_structure=now, _programs={})
        if not grad_mode.is_grad_enabled():
            return True
        return not any(t.requires_grad for t in (*args, *self._structure.tensors.values()))

    def _compiled(self, key: Any, arrays: list[Any]) -> Any:
        """The program for ``key``, made now unless another thread has just done so; or the word ``"eager"``."""
        with _turn:
            programs = self._programs
            if key not in programs:
                try:
                    if len(programs) >= PROGRAMS:
                        raise CompileError(f"it has been called with {PROGRAMS} different shapes already")
                    if any(map(on_device, (*arrays, *[t._array for t in self._structure.tensors.values()]))):
                        raise CompileError("programs compute on the CPU, and it is on a GPU. Fix: model.cpu()")
                    programs[key] = compiled(self._orig_mod, self._structure, arrays)
                except CompileError as error:
                    name = type(self._orig_mod).__name__
                    if self._fullgraph:
                        raise CompileError(f"compile: {name} cannot be compiled: {error}") from error
                    programs[key] = "eager"
                    if not self._warned:
                        self.__dict__["_warned"] = True
                        warnings.warn(f"compile: {name} is run as it is, not compiled: {error}", stacklevel=3)
            return programs[key]

    # ------------------------------------------------------------ all else is the model's

    def __getattr__(self, name: str) -> Any:
        if "_orig_mod" not in self.__dict__:  # being copied
            raise AttributeError(name)
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __getitem__(self, index: Any) -> Any:
        return self._orig_mod[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._orig_mod)

    def __dir__(self) -> list[str]:
        return dir(self._orig_mod)

    def __repr__(self) -> str:
        return repr(self._orig_mod)

    def __reduce__(self) -> Any:
        return CompiledModule, (self._orig_mod, self._fullgraph)

    def train(self, mode: bool = True) -> Module:
        """As the model's own: it may keep some layers in evaluation mode."""
        self._orig_mod.train(mode)
        return self

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Module]]:
        """The model and all below it: these run, and a summary shows them."""
        return self._orig_mod.named_modules(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The model's, with the model's keys: a file may be loaded into either."""
        return self._orig_mod.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load into the model."""
        return self._orig_mod.load_state_dict(*args, **kwargs)
