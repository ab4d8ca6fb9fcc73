"""How exactly a GPU multiplies float32 numbers: in full precision, or in TF32 on its tensor cores.

TF32 keeps the range of a float32 and 10 of its 23 bits of mantissa, in the factors alone; products and sums are
float32. It is several times as fast. There are two settings, with PyTorch's defaults:

===================  ===========  ================================================================
matrix products      ``highest``  :class:`set_float32_matmul_precision`; ``high`` is TF32
convolutions         TF32         :class:`set_conv_tf32`
===================  ===========  ================================================================

float64 is never rounded, and the CPU always computes in full precision. ``minicnn.backends`` shows the two settings
under PyTorch's names, ``cuda.matmul.allow_tf32`` and ``cudnn.allow_tf32``.
"""

from __future__ import annotations

from .switch import Switch

PRECISIONS = ("highest", "high", "medium")

_matmul = "highest"
_conv_tf32 = True


def get_float32_matmul_precision() -> str:
    """The precision that :class:`set_float32_matmul_precision` asked for.

    Examples
    --------
    >>> get_float32_matmul_precision()
    'highest'
    """
    return _matmul


def matmul_tf32() -> bool:
    """Whether matrix products on a GPU may round their factors to TF32.

    Examples
    --------
    >>> matmul_tf32()
    False
    """
    return _matmul != "highest"


def conv_tf32() -> bool:
    """Whether convolutions on a GPU may round their factors to TF32.

    Examples
    --------
    >>> conv_tf32()
    True
    """
    return _conv_tf32


class set_float32_matmul_precision(Switch):  # noqa: N801 - reads as a verb, as a call and in a with statement
    """Say how exactly matrix products are computed on a GPU: for good, in a ``with`` block or a function.

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        ``"highest"`` is float32 throughout. With ``"high"`` the factors are rounded to TF32, with a relative error of
        up to 2^-11 each. ``"medium"`` allows still less; here it is the same as ``"high"``.

    Raises
    ------
    ValueError
        If there is no such precision.

    Examples
    --------
    >>> with set_float32_matmul_precision("high"):
    ...     matmul_tf32()
    True
    """

    def __init__(self, precision: str) -> None:
        if precision not in PRECISIONS:
            known = ", ".join(map(repr, PRECISIONS))
            raise ValueError(f"set_float32_matmul_precision({precision!r}): the precision must be one of {known}")
        super().__init__(precision)

    @classmethod
    def read(cls) -> str:
        return _matmul

    @classmethod
    def write(cls, value: str) -> None:
        global _matmul
        _matmul = value


class set_conv_tf32(Switch):  # noqa: N801 - reads as a verb, as a call and in a with statement
    """Say whether convolutions on a GPU may round to TF32: for good, in a ``with`` block or a function.

    Parameters
    ----------
    allowed : bool

    Raises
    ------
    TypeError
        If it is not a bool.

    Examples
    --------
    >>> with set_conv_tf32(False):
    ...     conv_tf32()
    False
    """

    def __init__(self, allowed: bool) -> None:
        if not isinstance(allowed, bool):
            raise TypeError(f"set_conv_tf32: expected True or False; got {allowed!r}")
        super().__init__(allowed)

    @classmethod
    def read(cls) -> bool:
        return _conv_tf32

    @classmethod
    def write(cls, value: bool) -> None:
        global _conv_tf32
        _conv_tf32 = value
