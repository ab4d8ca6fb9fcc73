"""Modules that hold other modules, or parameters, in order or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import index as as_index
from typing import Any

from ..core.tensor import Tensor
from .module import Module
from .parameter import Parameter


def _place(index: Any, length: int, owner: Module) -> int:
    """``index``, possibly negative, as a position in a container of ``length``."""
    place = as_index(index)
    if not -length <= place < length:
        raise IndexError(f"index {place} is out of range: this {type(owner).__name__} has {length} entries")
    return place % length


class _ModuleSequence(Module):
    """Children in a row that can be indexed, sliced, replaced and deleted."""

    def _key(self, index: Any) -> str:
        return list(self._modules)[_place(index, len(self), self)]

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for key in keys:
            del self._modules[key]
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: list[Any]) -> None:
        self._modules.clear()
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several modules at the end; returns the container."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: expected an iterable of modules; got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before position ``index``; returns the container."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"index {index} is out of range: this {type(self).__name__} has {len(self)} entries")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        """Take a module (or a slice) out and return it."""
        taken = self[key]  # type: ignore[index]
        del self[key]
        return taken

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(other)


class Sequential(_ModuleSequence):
    """Modules run one after the other.

    Parameters
    ----------
    *args : Module, or one dict of str to Module
        In a dict, the keys name the children.

    Examples
    --------
    >>> from minicnn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    >>> net[-1] = nn.Linear(288, 5)
    >>> net[:2]
    Sequential(
      (0): Conv2d(1, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], Mapping) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"a Sequential can be added to a Sequential only; got {type(other).__name__}. Fix: append()"
            )
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            raise TypeError(f"a Sequential can be repeated an int of times; got {type(times).__name__}")
        if times < 1:
            raise ValueError(f"a Sequential can be repeated at least once; got {times}")
        return Sequential(*list(self) * times)

    __rmul__ = __mul__

    def forward(self, input: Any) -> Any:
        """Pass the input through all modules."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input


class ModuleList(_ModuleSequence):
    """A list of modules, for a ``forward`` that loops over them itself.

    Examples
    --------
    >>> from minicnn import nn
    >>> nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    ModuleList(
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Equal neighbours are printed once, with their count."""
        runs: list[tuple[int, int, str]] = []
        for number, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], number, text)
            else:
                runs.append((number, number, text))
        lines = [
            f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in runs
        ]
        body = "".join("\n  " + line.replace("\n", "\n  ") for line in lines)
        return f"{self._get_name()}({body}\n)" if lines else f"{self._get_name()}()"


class _Named:
    """What a dictionary can do beyond ``[]``, for the containers below."""

    def pop(self, key: str) -> Any:
        """Take an entry out and return it."""
        taken = self[key]  # type: ignore[index]
        del self[key]  # type: ignore[attr-defined]
        return taken

    def update(self, entries: Any) -> None:
        """Add or replace entries, from a mapping or an iterable of pairs."""
        if not isinstance(entries, Iterable):
            raise TypeError(f"{type(self).__name__}.update: expected a mapping or pairs; got {type(entries).__name__}")
        for key, value in entries.items() if hasattr(entries, "items") else entries:
            self[key] = value  # type: ignore[index]


class ModuleDict(_Named, Module):
    """Modules by name.

    Examples
    --------
    >>> from minicnn import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
    >>> heads["parity"]
    Linear(in_features=8, out_features=2, bias=True)
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all entries."""
        self._modules.clear()

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Names and modules."""
        return self._modules.items()


def _parameter(value: Any, owner: Module) -> Parameter:
    if not isinstance(value, Tensor):
        raise TypeError(f"{type(owner).__name__}: expected tensors; got {type(value).__name__}")
    return value if isinstance(value, Parameter) else Parameter(value)


def _describe(parameter: Tensor, kind: str) -> str:
    return f"Parameter containing: [{kind} of size {'x'.join(map(str, parameter.shape))}]"


class ParameterList(Module):
    """A list of parameters; plain tensors become parameters.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> weights = nn.ParameterList([minicnn.ones(2), minicnn.zeros(3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def __getitem__(self, index: int | slice) -> Any:
        values = list(self)
        return type(self)(values[index]) if isinstance(index, slice) else values[_place(index, len(self), self)]

    def __setitem__(self, index: int, value: Tensor) -> None:
        self._parameters[str(_place(index, len(self), self))] = _parameter(value, self)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end; returns the list."""
        self.register_parameter(str(len(self)), _parameter(value, self))
        return self

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add several parameters at the end; returns the list."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"ParameterList.extend: expected a list of tensors; got {type(values).__name__}")
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def extra_repr(self) -> str:
        return "\n".join(
            f"  ({name}): {_describe(p, str(p.dtype))}" for name, p in self._parameters.items() if p is not None
        )


class ParameterDict(_Named, Module):
    """Parameters by name; plain tensors become parameters.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> gains = nn.ParameterDict({"a": minicnn.ones(2)})
    >>> gains["b"] = minicnn.zeros(3)
    >>> list(gains)
    ['a', 'b']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Tensor) -> None:
        self.register_parameter(key, _parameter(value, self))

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, key: str) -> bool:
        return key in self._parameters

    def clear(self) -> None:
        """Remove all entries."""
        self._parameters.clear()

    def get(self, key: str, default: Any = None) -> Any:
        """The entry, or ``default`` if there is none."""
        return self._parameters.get(key, default)

    def keys(self) -> Any:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Any:
        """The parameters."""
        return self._parameters.values()

    def items(self) -> Any:
        """Names and parameters."""
        return self._parameters.items()

    def extra_repr(self) -> str:
        return "\n".join(
            f"  ({name}): {_describe(p, 'minicnn.FloatTensor')}"
            for name, p in self._parameters.items()
            if p is not None
        )
