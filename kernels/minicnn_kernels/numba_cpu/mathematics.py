"""Exponential and hyperbolic tangent that LLVM can vectorise.

The C library's functions take one number at a time; a loop over them cannot use vector registers. In float32 a
polynomial is enough, and 16 numbers go through it at once: measured 5 to 20 times faster. float64 keeps the library's.

``e^x = 2^n * e^r`` with ``n`` the integer nearest to ``x / ln 2`` leaves ``|r| <= ln(2)/2``, where a polynomial of
degree 7 is exact to 1e-7; ``2^n`` is a shift of ``n`` into the exponent bits. The coefficients are those of
``expf`` and ``tanhf`` in Moshier's *Cephes* library. The nearest integer comes from an addition: floats from 2^23 to
2^24 are 1 apart, so ``x + 1.5*2^23`` has no room for a fraction, and its lowest bits are the integer itself (measured
1.6 times faster than rounding and converting).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from .jit import serial

_F = np.float32
LOG2E, LN2_HIGH, LN2_LOW = _F(1.44269504088896341), _F(0.693359375), _F(-2.12194440e-4)
E7, E6, E5 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
E4, E3, E2 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)
T4, T3, T2 = _F(-5.70498872745e-3), _F(2.06390887954e-2), _F(-5.37397155531e-2)
T1, T0, T_SMALL = _F(1.33314422036e-1), _F(-3.33332819422e-1), _F(0.625)
LOWEST, HIGHEST, ONE, TWO = _F(-104), _F(89), _F(1), _F(2)  # e^-104 is 0 and e^89 inf in float32
WHOLE = _F(1.5 * 2**23)
WHOLE_BITS = WHOLE.view(np.int32)


@serial
def _power_of_two(n):  # type: ignore[no-untyped-def]
    return np.int32((n + 127) << 23).view(np.float32)


@serial
def _parts32(x):  # type: ignore[no-untyped-def]
    """``e^r - 1`` and ``n`` for ``x = n*ln(2) + r``."""
    z = LOWEST if x < LOWEST else (HIGHEST if x > HIGHEST else x)
    whole = z * LOG2E + WHOLE
    n = whole - WHOLE
    r = z - n * LN2_HIGH - n * LN2_LOW
    y = (((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2) * (r * r) + r
    return y, np.int32(np.float32(whole).view(np.int32) - WHOLE_BITS)


@serial
def _scaled32(y, n):  # type: ignore[no-untyped-def]
    half = np.int32(n >> 1)  # in two factors: 2^n itself may be too large or too small for float32
    return y * _power_of_two(half) * _power_of_two(np.int32(n - half))  # NaN times anything is NaN


@serial
def _exp32(x):  # type: ignore[no-untyped-def]
    y, n = _parts32(x)
    return _scaled32(y + ONE, n)


@serial
def _expm1_32(x):  # type: ignore[no-untyped-def]
    y, n = _parts32(x)
    return y if n == 0 else _scaled32(y + ONE, n) - ONE


@serial
def _tanh32(x):  # type: ignore[no-untyped-def]
    size = abs(x)
    z = x * x
    near = ((((T4 * z + T3) * z + T2) * z + T1) * z + T0) * z * x + x
    far = ONE - TWO / (_exp32(size + size) + ONE)
    return near if size < T_SMALL else (far if x > 0 else -far)


def exp(x: Any) -> Any:
    """``e^x`` in the type of ``x``."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """``e^x - 1`` in the type of ``x``, accurate for small ``x`` too."""
    return np.expm1(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent in the type of ``x``."""
    return np.tanh(x)


@overload(exp)
def _exp(x):  # type: ignore[no-untyped-def]
    """What compiled functions call instead of :func:`exp`."""
    if x == types.float32:
        return lambda x: _exp32(x)
    return lambda x: np.exp(x)


@overload(expm1)
def _expm1(x):  # type: ignore[no-untyped-def]
    """What compiled functions call instead of :func:`expm1`."""
    if x == types.float32:
        return lambda x: _expm1_32(x)
    return lambda x: np.expm1(x)


@overload(tanh)
def _tanh(x):  # type: ignore[no-untyped-def]
    """What compiled functions call instead of :func:`tanh`."""
    if x == types.float32:
        return lambda x: _tanh32(x)
    return lambda x: np.tanh(x)
