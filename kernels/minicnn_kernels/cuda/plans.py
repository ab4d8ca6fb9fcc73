"""Starting kernels on the GPU, with as little work as possible for each.

A launch costs the CPU some microseconds, and in small layers that is most of the time. So what follows from shapes and
element types alone is found out once and kept as a `Plan`: that the arguments fit the declaration, the compiled
function, the number of blocks, the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import runtime
from .catalog import Grid, Kernel, find

VARIANTS = {"float64": ("real", "double"), "uint16": ("tap_type", "unsigned short")}
"""What ``-D`` sets where an array of this type is among the arguments."""
SIZES = frozenset(("kernel_h", "kernel_w", "multiplier", "groups", "splits"))
"""Numbers that may be given and that decide how many blocks there are: with other ones, there is another plan."""
MOST_PLANS = 4096


class Plan(NamedTuple):
    """What is known of a launch when the arrays' shapes and types are.

    Attributes
    ----------
    kernel : Kernel
    function : callable
        The compiled one.
    grid : (int, int, int), optional
        Blocks; None if they depend on the numbers of a list.
    sizes : dict
        The sizes that follow from shapes, by name.
    values : list
        The arguments, in order, as far as they are known: sizes again.
    rest : list of (int, str, callable)
        Where each other argument goes, its name, and what makes it ready.
    """

    kernel: Kernel
    function: Any
    grid: Grid | None
    sizes: dict[str, Any]
    values: list[Any]
    rest: list[tuple[int, str, Callable[[Any], Any]]]


@cache
def plans() -> dict[Any, Plan]:
    """All plans, by what the arguments are: names, types and shapes. They hold compiled functions."""
    return {}


@cache
def _variant(name: str, kinds: frozenset[str]) -> Kernel:
    kernel = find(name)
    return kernel.variant(**dict(VARIANTS[kind] for kind in kinds)) if kinds else kernel


def variant(name: str, arguments: Mapping[str, Any]) -> Kernel:
    """The kernel of the table, for the element types of these arguments.

    Examples
    --------
    >>> variant("relu.forward", {"x": np.zeros(3)}).defines["real"]
    'double'
    """
    arrays = [x[0] if isinstance(x, list) and x else x for x in arguments.values()]
    kinds = {str(x.dtype) for x in arrays if hasattr(x, "strides") and not isinstance(x, np.generic)}
    return _variant(name, frozenset(kinds & set(VARIANTS)))


def launch(name: str, arguments: Mapping[str, Any]) -> None:
    """Start a kernel of the table on the current stream of its GPU.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit the kernel's declaration (`Signature.bind`).
    """
    identity: list[Any] = [name]
    for given, x in arguments.items():
        identity.append(given)
        if hasattr(x, "strides"):
            identity += (x.shape, x.dtype, x.flags.c_contiguous)
        elif x is None:
            identity.append(None)
        elif given in SIZES:
            identity.append(x)
        elif isinstance(x, list):
            identity.append(x[0].dtype if x and hasattr(x[0], "dtype") else list)
    key = tuple(identity)
    known = plans()
    plan = known.get(key)
    if plan is None:
        plan = _planned(name, arguments)
        if len(known) >= MOST_PLANS:
            known.clear()
        known[key] = plan
    grid = plan.kernel.grid({**plan.sizes, **arguments}) if plan.grid is None else plan.grid
    if 0 in grid:
        return
    values = plan.values.copy()
    for place, given, ready in plan.rest:
        values[place] = ready(arguments.get(given))
    try:
        plan.function(grid, plan.kernel.block, tuple(values))
    except Exception as error:
        if type(error).__name__ == "CompileException":  # CuPy's
            raise runtime.not_compiled(plan.kernel, error) from error
        raise


def _planned(name: str, arguments: Mapping[str, Any]) -> Plan:
    """Hold the arguments against the declaration, and note what follows from the shapes."""
    kernel = variant(name, arguments)
    bound = kernel.signature.bind(**arguments)
    scalars = kernel.signature.scalars
    sizes = {p.name: bound[p.name] for p in scalars if p.name in SIZES or p.name not in arguments}
    values, rest = [], []
    for place, p in enumerate(kernel.signature.parameters):
        values.append(sizes.get(p.name))
        if p.name not in sizes:
            ready = _structure_of(p.array, p.most) if p.most else _pointer if p.array else p.dtype.type
            rest.append((place, p.name, ready))
    lists = any(p.most for p in kernel.signature.parameters)
    return Plan(kernel, runtime.compiled(kernel), None if lists else kernel.grid(bound), sizes, values, rest)


NULL = np.intp(0)  # a pointer to nothing, for an array that is left out


def _pointer(x: Any) -> Any:
    return NULL if x is None else x


def _structure_of(arrays: bool, most: int) -> Callable[[Any], Any]:
    """What makes a list an argument that is passed by value: an array of one element, a structure."""
    empty = np.zeros((), [("of", np.uint64 if arrays else np.int32, most)])

    def structure(values: list[Any] | None) -> Any:
        entries = empty.copy()
        if values:
            entries["of"][: len(values)] = [x.data.ptr for x in values] if arrays else values
        return entries

    return structure
