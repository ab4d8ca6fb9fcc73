"""Compiled, parallel CPU kernels: the backend ``"numba"``.

Importing this package registers its kernels and compiles nothing yet: a kernel is compiled at its first call,
and cached on disk for the next process. ``jit.py`` tells how, ``product.py`` holds the engine of everything that
multiplies matrices, ``layout.py`` the memory layout; the other files are one family of operations each.
"""

from . import conv as conv
from . import matmul as matmul
