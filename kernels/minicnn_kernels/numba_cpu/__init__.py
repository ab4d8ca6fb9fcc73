"""Compiled, parallel CPU kernels: the backend ``"numba"``.

Importing this package registers its kernels and compiles nothing yet: a kernel is compiled at its first call,
and cached on disk for the next process. ``jit.py`` and ``cache.py`` tell how, ``product.py`` holds the engine of
everything that multiplies matrices, ``resample.py`` that of averages and interpolations, ``columns.py`` that of
statistics, ``layout.py`` the memory layout; the other files are one family of operations each.
"""

from . import activations as activations
from . import adaptive_pooling as adaptive_pooling
from . import addition as addition
from . import batch_norm as batch_norm
from . import conv as conv
from . import cross_entropy as cross_entropy
from . import dropout as dropout
from . import group_norm as group_norm
from . import joined_norm as joined_norm
from . import joining as joining
from . import local_response_norm as local_response_norm
from . import matmul as matmul
from . import max_pooling as max_pooling
from . import normalized_conv as normalized_conv
from . import normalized_grad as normalized_grad
from . import optimizers as optimizers
from . import pooling as pooling
from . import resize as resize
from . import softmax as softmax
from . import unfold as unfold
from .jit import JIT

if JIT:
    from . import staged as staged
