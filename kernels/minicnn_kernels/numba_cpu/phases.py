"""Which outputs a window reaches from an input position: the gradient of a strided convolution, phase by phase.

Every input pixel *gathers* its gradient, so no two threads add to one number::

    dx[h] = sum of dy[i] * w[k] over all i, k with i*stride + k*dilation - padding = h

With a stride ``s``, the pixels ``h = r, r+s, r+2s, ...`` of one *phase* ``r`` use the same few ``k``, evenly spaced,
and neighbouring pixels use neighbouring ``i``: each phase is a convolution with stride 1, with the weights of that
phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True)
class Phase:
    """The input positions ``first, first + stride, ...`` (``count`` of them) along one axis, and what they gather.

    Position number ``u`` gathers, for ``t = 0 .. taps-1``, the output position ``u + shift + t*spread``
    times the kernel position ``last_tap - t*step``.
    """

    first: int
    count: int
    taps: int
    last_tap: int
    step: int
    shift: int
    spread: int


def phases(size: int, kernel: int, stride: int, pad: int, dilation: int) -> list[Phase]:
    """Solve ``i*stride = h + pad - k*dilation`` for every ``h``, phase by phase."""
    step = stride // gcd(stride, dilation)  # kernel positions of one phase are this far apart
    spread = dilation // gcd(stride, dilation)
    found = []
    for first in range(min(stride, size)):
        taps = [k for k in range(kernel) if (first + pad - k * dilation) % stride == 0]
        last = taps[-1] if taps else 0
        shift = (first + pad - last * dilation) // stride
        found.append(Phase(first, -(-(size - first) // stride), len(taps), last, step, shift, spread))
    return found
