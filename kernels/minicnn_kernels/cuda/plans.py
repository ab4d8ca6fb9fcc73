"""Starting kernels on the GPU, with as little work as possible for each.

A launch costs the CPU some microseconds, and in small layers that is most of the time. So what follows from shapes and
element types alone is found out once and kept as a `Plan`: that the arguments fit the declaration, the compiled
function, the number of blocks, the sizes. What follows from addresses is looked at in every launch: whether they are
multiples of what the kernel reads at once, and whether no array lies in another that is written to.
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
    apart : list of (str, int, int)
        The arrays that must be apart, or aligned: name, bytes, and what the address must be a multiple of.
    """

    kernel: Kernel
    function: Any
    grid: Grid | None
    sizes: dict[str, Any]
    values: list[Any]
    rest: list[tuple[int, str, Callable[[Any], Any]]]
    apart: list[tuple[str, int, int]]


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
            identity.append(frozenset([v.dtype for v in x]) if x and hasattr(x[0], "strides") else list)
    key = tuple(identity)
    known = plans()
    plan = known.get(key)
    if plan is None:
        plan = _planned(name, arguments)
        if len(known) >= MOST_PLANS:
            known.clear()
        known[key] = plan
    elif not _apart(plan, arguments):
        plan.kernel.signature.bind(**arguments)  # says what is wrong, unless what overlaps is only read
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
    grid, apart = None if lists else kernel.grid(bound), []
    for p in kernel.signature.parameters:
        x = bound[p.name]
        if p.array and not p.most and x is not None and x.size and (p.restrict or p.alignment > x.itemsize):
            apart.append((p.name, x.nbytes, p.alignment))
    return Plan(kernel, runtime.compiled(kernel), grid, sizes, values, rest, apart)


def _apart(plan: Plan, arguments: Mapping[str, Any]) -> bool:
    """Whether every array lies at an address that it may have, and behind the end of the one before it."""
    lying = sorted([(arguments[name].data.ptr, size, multiple) for name, size, multiple in plan.apart])
    end = 0
    for start, size, multiple in lying:
        if start < end or start % multiple:
            return False
        end = start + size
    return True


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
