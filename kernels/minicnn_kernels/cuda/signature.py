"""What a kernel takes: read from its declaration in the source, and held against the arguments before a launch.

The hardware checks nothing. A kernel that is given float64 where it reads float32, a transposed view, or sizes that are
not the array's computes nonsense or writes where it should not. So every launcher asks `Signature.bind` first. The
declaration is the only place that says what a kernel takes; the shape of an array stands behind it in a comment::

    extern "C" __global__ void scale(
        const float* __restrict__ x,   // (n, c)
        float* __restrict__ y,         // (n, c)
        const float* bias,             // (c) or null
        int n, int c, float factor)

``const`` is read only, ``or null`` may be None, ``aligned 16`` asks for addresses that are multiples of 16 bytes, and
``aligned VECTOR*4`` for multiples of what ``-DVECTOR`` says. A size is a number, a name, or an expression of names such
as ``n*c``. Scalars that are sizes need not be given: they
follow from the arrays.

A parameter of the type ``Arrays`` takes a list of arrays of one element type, and ``Numbers`` a list of whole numbers
(`lists.cuh`); they are passed by value, as structures of ``MOST`` entries.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import address
from ..errors import DTypeError, ShapeError

_TYPES = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "char": "int8",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "unsigned int": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
}
_LISTS = {"Arrays": "real", "Numbers": "int"}  # structures of lists.cuh, and of what their entries are
_DECLARED = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\("
)
_PIECE = re.compile(r"//([^\n]*)|/\*(.*?)\*/|([,()])|([^,()/]+|/)", re.S)
_NOTE = re.compile(r"\((?P<shape>[^)]*)\)(?P<null> or null)?(?: aligned (?P<align>[\w*]+))?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a kernel.

    Attributes
    ----------
    name, ctype : str
        As declared; ``ctype`` without qualifiers, ``"const float*"``.
    dtype : numpy.dtype
        Of the array's elements, or of the scalar.
    array, read_only, restrict, optional : bool
        Whether it is a pointer, to what it only reads, that nothing else points into, that may be null.
    shape : tuple of str, optional
        Sizes by number, name or expression; None if the source does not say.
    alignment : int
        What the address must be a multiple of.
    most : int
        How many entries a list may have; 0 if it is none.
    """

    name: str
    ctype: str
    dtype: np.dtype[Any]
    array: bool
    read_only: bool = False
    restrict: bool = False
    optional: bool = False
    shape: tuple[str, ...] | None = None
    alignment: int = 1
    most: int = 0


@dataclass(frozen=True, slots=True)
class Signature:
    """Name and parameters of a kernel."""

    name: str
    parameters: tuple[Parameter, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(p.name for p in self.parameters)})"

    @property
    def scalars(self) -> list[Parameter]:
        """The parameters that are one number each."""
        return [p for p in self.parameters if not p.array and not p.most]

    def bind(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Hold arguments against the declaration and return them by name, in order, scalars in their type.

        Raises
        ------
        TypeError, ValueError
            If arguments are missing, unknown or given twice; if an array has another element type, is not contiguous,
            has a shape that contradicts the sizes, or overlaps with an array that is written to; if a scalar does not
            fit into its type.

        Examples
        --------
        >>> (kernel,) = signatures("__global__ void twice(const float* x, float* y, int n) {}  ")
        >>> kernel.bind(np.ones(3, np.float32), np.ones(3, np.float32), n=3)["n"]
        np.int32(3)
        """
        given = self._by_name(arguments, named)
        for p in self.parameters:
            if p.array and not p.most:
                self._check_array(p, given.get(p.name))
        sizes = self._sizes(given)
        values: dict[str, Any] = {}
        for p in self.parameters:
            if p.most:
                values[p.name] = self._list(p, given.get(p.name))
            elif p.array:
                values[p.name] = given.get(p.name)
            elif p.name in given or p.name in sizes:
                values[p.name] = self._scalar(p, given.get(p.name, sizes.get(p.name)))
        self._check_shapes(given, {**sizes, **{p.name: values[p.name].item() for p in self.scalars}})
        self._check_overlaps(given)
        return values

    def _by_name(self, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        names = [p.name for p in self.parameters]
        if len(arguments) > len(names):
            raise TypeError(f"{self}: {len(names)} arguments are needed, {len(arguments)} came")
        given = dict(zip(names, arguments, strict=False))
        for name, value in named.items():
            if name not in names:
                raise TypeError(f"{self}: there is no parameter {name!r}")
            if name in given:
                raise TypeError(f"{self}: {name!r} is given by position and by name")
            given[name] = value
        sizes = {name for p in self.parameters if p.shape and given.get(p.name) is not None for name in _names(p.shape)}
        missing = [p.name for p in self.parameters if p.name not in given and p.name not in sizes and not p.optional]
        if missing:
            raise TypeError(f"{self}: {', '.join(missing)} must be given")
        return given

    def _check_array(self, p: Parameter, x: Any) -> None:
        what = f"{self.name}: {p.name} ({p.ctype})"
        if x is None:
            if not p.optional:
                raise TypeError(f"{what} needs an array; got None")
            return
        if not hasattr(x, "dtype") or not hasattr(x, "flags") or not hasattr(x, "shape"):
            raise TypeError(f"{what} needs an array of {p.dtype}; got {type(x).__name__}")
        if x.dtype != p.dtype:
            raise DTypeError(f"{what} needs an array of {p.dtype}; got {x.dtype}. Fix: {p.name}.astype('{p.dtype}')")
        if not x.flags.c_contiguous:
            raise ShapeError(
                f"{what} needs a C-contiguous array, for a kernel knows no strides; got shape {x.shape} with strides "
                f"{x.strides}. Fix: ascontiguousarray({p.name})"
            )
        if not p.read_only and not getattr(x.flags, "writeable", True):
            raise ValueError(f"{what} is written to, and the array is read-only")
        if p.shape is not None and len(p.shape) != x.ndim:
            raise ShapeError(f"{what} has the shape ({', '.join(p.shape)}); got {x.shape}")
        if x.size and address(x) % p.alignment:
            raise ValueError(
                f"{what} needs an address that is a multiple of {p.alignment} bytes, for it is read {p.alignment} "
                f"bytes at a time; got a view that starts {address(x) % p.alignment} bytes behind one. "
                f"Fix: {p.name}.copy()"
            )

    def _list(self, p: Parameter, values: Any) -> Any:
        """A list of arrays or of whole numbers, as it is passed on: at most so many, all of one type."""
        what = f"{self.name}: {p.name} ({p.ctype})"
        if values is None and p.optional:
            return None
        if not isinstance(values, (list, tuple)) or len(values) > p.most:
            came = len(values) if isinstance(values, (list, tuple)) else type(values).__name__
            raise TypeError(f"{what} needs a list of up to {p.most}; got {came}")
        for x in values if p.array else ():
            if getattr(x, "dtype", None) != p.dtype:
                raise DTypeError(f"{what} needs arrays of {p.dtype}; got {getattr(x, 'dtype', type(x).__name__)}")
            if not p.read_only and not getattr(x.flags, "writeable", True):
                raise ValueError(f"{what} is written to, and an array of it is read-only")
        return list(values)

    def _sizes(self, given: Mapping[str, Any]) -> dict[str, int]:
        """What the names in the shapes stand for, by the first array that says it."""
        sizes: dict[str, int] = {}
        for p in self.parameters:
            if p.shape is not None and given.get(p.name) is not None:
                for name, length in zip(p.shape, given[p.name].shape, strict=True):
                    if name.isidentifier():
                        sizes.setdefault(name, length)
        return sizes

    def _scalar(self, p: Parameter, value: Any) -> Any:
        what = f"{self.name}: {p.name} ({p.ctype})"
        kind = "i" if isinstance(value, int) else np.asarray(value).dtype.kind  # an int of any size
        if np.ndim(value) != 0 or kind not in "biuf":
            raise TypeError(f"{what} needs a number; got {value!r}")
        if p.dtype.kind in "iu" and kind == "f":
            raise TypeError(f"{what} needs a whole number; got {value!r}")
        if p.dtype.kind in "iu":
            limits = np.iinfo(p.dtype)
            if not limits.min <= int(value) <= limits.max:
                raise ValueError(f"{what} holds numbers from {limits.min} to {limits.max}; got {value}")
        return p.dtype.type(value)

    def _check_shapes(self, given: Mapping[str, Any], sizes: Mapping[str, Any]) -> None:
        for p in self.parameters:
            x = given.get(p.name)
            if p.shape is None or x is None:
                continue
            unknown = [name for name in _names(p.shape) if name not in sizes]
            if unknown:
                raise TypeError(f"{self}: {', '.join(unknown)} must be given, for {p.name} ({', '.join(p.shape)})")
            expected = tuple(_value(size, sizes) for size in p.shape)
            if tuple(x.shape) != expected:
                where = ", ".join(f"{name}={sizes[name]}" for name in _names(p.shape))
                raise ShapeError(
                    f"{self.name}: {p.name} ({', '.join(p.shape)}) must have the shape {expected} with {where}; "
                    f"got {tuple(x.shape)}"
                )

    def _check_overlaps(self, given: Mapping[str, Any]) -> None:
        arrays = [
            (p, given[p.name]) for p in self.parameters if p.array and not p.most and given.get(p.name) is not None
        ]
        for i, (p, x) in enumerate(arrays):
            for q, y in arrays[:i]:
                if p.restrict and q.restrict and not (p.read_only and q.read_only) and _overlap(x, y):
                    raise ValueError(
                        f"{self.name}: {q.name} and {p.name} are the same memory, and the kernel writes to "
                        f"{q.name if p.read_only else p.name}; __restrict__ in its source says that they are not"
                    )


def _overlap(x: Any, y: Any) -> bool:
    return bool(x.size and y.size and address(x) < address(y) + y.nbytes and address(y) < address(x) + x.nbytes)


def _names(shape: tuple[str, ...]) -> list[str]:
    """The names in a shape, each once."""
    return list(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", " ".join(shape))))


def _value(size: str, sizes: Mapping[str, Any]) -> int:
    """The value of a size: sums, differences, products and quotients of names and whole numbers."""

    def of(node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name):
                return int(sizes[name])
            case ast.BinOp(left=left, op=op, right=right):
                a, b = of(left), of(right)
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.FloorDiv():
                        return a // b
        raise ValueError(
            f"a size in a kernel's comment must be a number, a name or an expression of them; got {size!r}"
        )

    return of(ast.parse(size.replace("/", "//"), mode="eval").body)


def signatures(source: str, defines: Mapping[str, str] | None = None) -> list[Signature]:
    """Read the kernels that a source declares.

    Parameters
    ----------
    source : str
        CUDA C.
    defines : mapping, optional
        What ``-D`` sets; wins over ``#define`` in the source. Types may be named by either.

    Examples
    --------
    >>> source = '''
    ... extern "C" __global__ void relu(const float* x, // (n)
    ...                                 float* y,       // (n)
    ...                                 int n) {}'''
    >>> for p in signatures(source)[0].parameters:
    ...     print(p.name, p.dtype, p.shape)
    x float32 ('n',)
    y float32 ('n',)
    n int32 None
    """
    names = {
        **dict(re.findall(r"^[ \t]*#define[ \t]+(\w+)[ \t]+([^\n/]+?)[ \t]*(?://.*)?$", source, re.M)),
        **(defines or {}),
    }
    found = []
    for match in _DECLARED.finditer(_without_commented_kernels(source)):
        parts = _parameters(source[match.end() :])
        found.append(Signature(match[1], tuple(_parameter(match[1], text, note, names) for text, note in parts)))
    return found


def _without_commented_kernels(source: str) -> str:
    """The source with comments blanked, at the same length."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), source, flags=re.S)


def _parameters(text: str) -> list[tuple[str, str]]:
    """Split what follows the opening parenthesis into (declaration, comment)."""
    parts: list[list[str]] = [["", ""]]
    for match in _PIECE.finditer(text):
        line, block, mark, code = match.groups()
        comment = line if line is not None else block
        if comment is not None:
            owner = parts[-1] if parts[-1][0].strip() or len(parts) == 1 else parts[-2]
            owner[1] += comment
        elif mark == ")":
            break
        elif mark == ",":
            parts.append(["", ""])
        else:
            parts[-1][0] += code or ""
    # the last parameter's comment may stand behind the closing parenthesis' line: it is not read
    return [(declaration.strip(), note) for declaration, note in parts if declaration.strip()]


def _parameter(kernel: str, declaration: str, note: str, names: Mapping[str, str]) -> Parameter:
    words = re.findall(r"\w+|\*", declaration)
    name, array = words[-1], "*" in words
    restrict = "__restrict__" in words
    read_only = "const" in words[: words.index("*")] if array else False
    base = " ".join(word for word in words[:-1] if word not in ("const", "__restrict__", "volatile", "*"))
    if base in _LISTS:
        entry, most = names.get(_LISTS[base], _LISTS[base]), int(names["MOST"])
        arrays, told = base == "Arrays", _NOTE.search(note)
        optional = told is not None and told["null"] is not None
        return Parameter(name, base, np.dtype(_TYPES[entry]), arrays, "const" in words, False, optional, most=most)
    for _ in range(8):
        base = names.get(base, base)
    vector = re.fullmatch(r"(float|double|int|uint|uchar)([24])", base)
    element = _TYPES.get(
        base if vector is None else {"uint": "unsigned", "uchar": "unsigned char"}.get(vector[1], vector[1])
    )
    if element is None or words.count("*") > 1 or (vector and not array):
        known = ", ".join(_TYPES)
        raise TypeError(
            f"{kernel}: the parameter {declaration!r} is of a type that a launch cannot pass; "
            f"it must be one of {known}, or a pointer to one"
        )
    dtype = np.dtype(element)
    alignment = 1 if vector is None else dtype.itemsize * int(vector[2])
    ctype = f"{'const ' * read_only}{base}{'*' * array}"
    told = _NOTE.search(note) if array else None
    if told is None:
        return Parameter(name, ctype, dtype, array, read_only, restrict, alignment=max(alignment, dtype.itemsize))
    shape = tuple(size.strip() for size in told["shape"].split(",") if size.strip())
    alignment = max(alignment, dtype.itemsize, _value(told["align"] or "1", names))
    return Parameter(name, ctype, dtype, array, read_only, restrict, told["null"] is not None, shape, alignment)
