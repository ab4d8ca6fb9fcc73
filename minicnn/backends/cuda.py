"""NVIDIA's GPUs: whether minicnn has kernels for them, and how exactly they multiply.

>>> import minicnn
>>> minicnn.backends.cuda.matmul.allow_tf32
False
"""

from __future__ import annotations

from minicnn_kernels import precision


def is_built() -> bool:
    """Whether minicnn has kernels for them: yes. ``minicnn.cuda.is_available()`` says whether one can run them."""
    return True


class _MatrixProducts:
    """``minicnn.backends.cuda.matmul``."""

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 factors may be rounded to TF32: see :func:`minicnn.set_float32_matmul_precision`."""
        return precision.matmul_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        precision.set_float32_matmul_precision("high" if allowed else "highest")


matmul = _MatrixProducts()
