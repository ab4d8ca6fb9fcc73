"""Winograd convolution: 36 matrix products on transformed tiles, for square windows of 2 to 5 with stride 1.

``../vector/winograd.py`` tells the algorithm. The results are cut into tiles of ``m`` x ``m``, ``m = 7 - r`` for a
window of ``r`` x ``r``; each sees 6 x 6 pixels. All sums over channels, or over tiles, are products of matrices,
computed by the same register tile as every other product (``../vector/tile.py``).

=====================  ============================================================================
``cut.py``             sizes: of tiles, of blocks of tiles, of the memory between the steps
``filters.py``         the transformed weights
``convolution.py``     the result, and the gradient of the input, which is a convolution too
``gradient.py``        the gradient of the weights
=====================  ============================================================================
"""

from .convolution import winograd_forward as winograd_forward
from .convolution import winograd_grad_input as winograd_grad_input
from .gradient import winograd_grad_weight as winograd_grad_weight
