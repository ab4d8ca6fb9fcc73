"""The stand-in against the real CuPy, which refuses what it refuses before it needs a GPU.

An array of the real CuPy can be made without a driver, over memory that is not a device's. What is not refused then
ends with "driver version is insufficient": the call was taken.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests import standin
from tests.standin import methods, spec, ufuncs

ROOT = Path(__file__).parents[2]
HOST = np.zeros(1 << 12, np.uint8)


def real_array(shape: Any, dtype: Any = "f") -> Any:
    real = spec.real()
    if real.cuda.is_available():
        return real.zeros(shape, dtype)
    memory = real.cuda.UnownedMemory(HOST.ctypes.data, HOST.nbytes, HOST, 0)
    return real.ndarray(shape, dtype, real.cuda.MemoryPointer(memory, 0))


def outcome(expression: str, cp: Any, array: Any) -> Any:
    """What becomes of a call: the type of the refusal, or what is known of the result without a GPU."""
    names = {"cp": cp, "np": np, "x": array((3, 4)), "i": array((), "q"), "h": np.zeros((3, 4), "f")}
    try:
        result = eval(expression, names)
    except Exception as error:
        if "cudaErrorInsufficientDriver" in str(error):
            return "taken"
        return type(error).__name__
    if isinstance(result, (bool, int, str, tuple)):
        return result
    return getattr(result, "shape", "taken"), getattr(result, "strides", None)


SAME = """
x.flags.writeable; x.flags.forc; x.flags['C_CONTIGUOUS']; x.flags.fnc; x.T.flags.f_contiguous; x.T.strides; x[1:, ::2]
x[None]; x[..., 0]; x[0, 0]; x[5]; x[np.int64(1)]; x.reshape(-1); x.reshape(5, 5); x.reshape(4, -1); x.transpose(0, 0)
x.squeeze(0); x[None].squeeze(0); x.swapaxes(0, 1); x.ravel(); x.view('i4'); x.view('f8'); x.T.view('f8'); x.nbytes
len(x); len(i); next(iter(x)); next(iter(i)); bool(x); range(i); [1, 2][i]; hash(x); x.item(); x.size; x.mT
np.asarray(x); np.array(x); np.require(x); memoryview(x); x.ctypes; x.device.id; x.__array_priority__; x.itemsize
np.exp(x, where=True); np.exp(x, order='C'); np.sum(x, where=True); np.sum(x, initial=0); x.sum(where=True)
x.sum(initial=0); np.min(x, initial=0); np.mean(x, where=True); np.maximum.reduce(x); np.clip(x, min=0, max=1)
np.reshape(x, shape=(4, 3)); np.reshape(x, (4, 3)); np.insert(x, 0, 0); np.copyto(x, h); np.copyto(h, x)
x.__setitem__(0, h[0]); x.__setitem__(0, [1, 2, 3, 4]); x.max(axis=5); np.ndim(x); np.shape(x); np.size(x)
np.isscalar(x); np.can_cast(x, 'f'); np.may_share_memory(x, x); np.broadcast_shapes((1, 2), (2, 2)); np.iscomplexobj(x)
np.lib.stride_tricks.as_strided(x, (2,), (4,)); cp.lib.stride_tricks.as_strided(x, (2,), (4,)); cp.empty(3, object)
x.astype('f', copy=False) is x; cp.expand_dims(x, 0); cp.broadcast_to(x, (2, 3, 4)); np.broadcast_to(x, (2, 3, 4))
x.T.base is x; x.base is None; setattr(x, 'strides', (1, 1)); setattr(x, 'dtype', 'i'); x.real; np.squeeze(x[None], 0);
np.moveaxis(x, 0, 1); np.swapaxes(x, 0, 1); np.transpose(x); np.expand_dims(x, -1); np.ravel(x); cp.nope; cp.ma
"""


@pytest.mark.parametrize("expression", [e.strip() for e in re.split(r";|\n", SAME) if e.strip()])
def test_the_same_is_refused(request, expression):
    expected = outcome(
        expression, spec.real(), real_array
    )  # first: the real one imports parts of itself when it needs them
    cp = request.getfixturevalue("cp")
    got = outcome(expression, cp, lambda shape, dtype="f": cp.zeros(shape, dtype))
    assert got == expected


@pytest.mark.parametrize("name", sorted(methods.SIGNATURES))
def test_methods_take_what_the_real_ones_take(name):
    """With every argument of the table, and with one more."""
    values = {"shape": (4, 3), "axes": (1, 0), "kth": 1, "axis1": 0, "axis2": 1, "decimals": 0, "offset": 0, "ddof": 0}
    values |= {"repeats": 2, "indices": 0, "side": "left", "order": "C", "keepdims": True, "dtype": "f", "copy": True}
    values |= {"v": real_array((2,)), "b": real_array((4, 2)), "slices": (0, 0), "value": 1.0}
    one = name in ("argsort", "argpartition", "repeat", "sort", "take", "cumsum", "cumprod", "searchsorted")
    x = real_array((12,) if one else (3, 4))
    given = dict(methods.signature(name).parameters)
    args = [v for p in given.values() if p.kind is p.VAR_POSITIONAL for v in values[p.name]]
    named = {p.name: values.get(p.name, p.default) for p in given.values() if p.kind is not p.VAR_POSITIONAL}
    named = {key: value for key, value in named.items() if value is not inspect.Parameter.empty}
    if name == "squeeze":
        x = real_array((1, 3))

    def call(**more: Any) -> str:
        try:
            getattr(x, name)(*args, **named, **more)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "taken"

    assert "argument" not in call(), call()
    assert "TypeError" in call(no_such_argument=1)


def test_the_methods_that_are_not_modelled():
    """Of the real array's methods these few are left out; a project that calls one is told so."""
    public = {name for name in dir(spec.real().ndarray) if not name.startswith("_")}
    ours = {*dir(standin.package.array.ndarray), *standin.package.array.ndarray.__annotations__, *methods.SIGNATURES}
    left = public - ours
    assert left == {
        *(
            "byteswap",
            "choose",
            "compress",
            "conjugate",
            "cstruct",
            "dump",
            "dumps",
            "flat",
            "mdspan",
            "partition",
            "put",
        ),
        *("reduced_view", "scatter_max", "scatter_min", "toDlpack", "tofile"),
    }


def test_our_functions_have_the_real_signatures(cp):
    from tests.standin import host, indexing

    for name, ours in standin.package.OURS.items():
        if inspect.isfunction(ours) and name in vars(host) and name not in ("frombuffer", "get_array_module"):
            expected = spec.signature(spec.lookup(name))
            assert list(spec.signature(ours).parameters) == list(expected.parameters), name
    for name in ("empty_pinned", "zeros_pinned", "scatter_add"):
        real = spec.signature(getattr(spec.real_cupyx(), name))
        ours = spec.signature(getattr(host, name, None) or indexing.scatter_add)
        assert list(ours.parameters) == list(real.parameters), name


@pytest.mark.parametrize("method", ["reduce", "accumulate", "at"])
@pytest.mark.parametrize("name", ["add", "multiply", "subtract", "maximum", "minimum", "logical_and", "bitwise_or"])
def test_methods_of_ufuncs(request, name, method):
    def ask(module: Any, x: Any) -> str:
        arguments = (x, 0, 1) if method == "at" else (x,)
        try:
            getattr(getattr(module, name), method)(*arguments)
        except NotImplementedError:
            return "refused"
        except Exception as error:
            return "taken" if "cudaErrorInsufficientDriver" in str(error) else type(error).__name__
        return "taken"

    kind = "i" if name.startswith("bitwise") else "f"
    expected = ask(spec.real(), real_array((12,), kind))
    cp = request.getfixturevalue("cp")
    assert ask(cp, cp.zeros((12,), kind)) == expected
    assert isinstance(cp.add, ufuncs.ufunc)


@pytest.mark.parametrize(
    ("ours", "path"),
    [
        (standin.package.streams.Stream, "cuda.Stream"),
        (standin.package.streams.Event, "cuda.Event"),
        (standin.package.streams.Device, "cuda.Device"),
        (standin.package.streams.Graph, "cuda.Graph"),
        (standin.package.memory.MemoryPool, "cuda.MemoryPool"),
        (standin.package.memory.MemoryPointer, "cuda.MemoryPointer"),
        (standin.package.kernels.RawKernel, "RawKernel"),
        (standin.package.kernels.RawModule, "RawModule"),
        (standin.package.kernels.ElementwiseKernel, "ElementwiseKernel"),
        (standin.package.kernels.ReductionKernel, "ReductionKernel"),
        (standin.package.ufuncs.ufunc, "ufunc"),
        (standin.package.array.ndarray, "ndarray"),
        (standin.package.array.Flags, "_core.flags.Flags"),
    ],
)
def test_classes_have_no_names_that_the_real_ones_lack(ours, path):
    real = spec.lookup(path)
    extra = {name for name in dir(ours) if not name.startswith("_") and not hasattr(real, name)}
    helpers = {"MemoryPointer": {"block_at", "view"}}.get(ours.__name__, set())
    assert extra == helpers


# ------------------------------------------------------------------------------- what the project asks of CuPy


def used() -> set[str]:
    """Dotted paths that the project's sources look up in CuPy: ``cp.cuda.Stream``, ``cupy().RawModule``."""
    found = set()
    for folder in ("minicnn", "kernels", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            if "cupy" in text:
                for node in ast.walk(ast.parse(text)):
                    chain = _chain(node)
                    if chain is not None:
                        found.add(chain)
    return found


def _chain(node: ast.AST) -> str | None:
    """``cuda.Stream`` for an attribute of CuPy, else None."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not names:
        return None
    if isinstance(node, ast.Call) and not node.args and ast.unparse(node.func).split(".")[-1] == "cupy":
        return ".".join(names)
    if isinstance(node, ast.Name) and node.id in ("cp", "cupyx"):
        return ".".join(names) if node.id == "cp" else f"cupyx:{'.'.join(names)}"
    return None


def test_what_the_project_uses_exists():
    paths = used()
    assert "cuda.runtime" in paths or any(path.startswith("cuda.") for path in paths)
    for path in sorted(paths):
        package, _, name = path.rpartition(":")
        found = spec.real_cupyx() if package else spec.real()
        for part in name.split("."):
            if not isinstance(found, (type, ModuleType)):
                break  # of a value: what it has is the business of the tests that run it
            assert hasattr(found, part), f"CuPy {spec.real().__version__} has no {path}"
            found = getattr(found, part)


def test_what_the_project_uses_is_modelled(cp):
    import cupyx

    for path in sorted(used()):
        package, _, name = path.rpartition(":")
        found = cupyx if package else cp
        for part in name.split("."):
            if not isinstance(found, (type, ModuleType)):
                break
            found = getattr(found, part)


def test_the_version_of_cupy():
    """What was found out about CuPy by reading holds for this version; with another one, look again."""
    assert spec.real().__version__.startswith(spec.VERSION)
