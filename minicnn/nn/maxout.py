"""Maxout: an activation that is learnt, as the largest of several linear functions."""

from __future__ import annotations

from ..core.errors import ShapeError
from ..core.tensor import Tensor
from .module import Module


class Maxout(Module):
    """The largest of each ``pieces`` neighbouring features: ``y_i = max over j of x_(i*pieces + j)``.

    Behind a linear or convolutional layer with ``pieces`` times as many outputs, every unit learns
    its own convex, piecewise linear activation. Equal largest ones share the gradient evenly. (Not in
    PyTorch.)

    Parameters
    ----------
    pieces : int
        Number of linear pieces, k in the paper.
    dim : int, default 1
        The dimension of features or channels; its size must be a multiple of ``pieces``.

    References
    ----------
    Goodfellow et al., *Maxout networks*, 2013.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.Maxout(2)(minicnn.tensor([[1.0, 5.0, -2.0, -3.0]]))
    tensor([[ 5., -2.]])
    >>> nn.Sequential(nn.Conv2d(3, 2 * 8, 3), nn.Maxout(2))(minicnn.zeros(1, 3, 9, 9)).shape
    minicnn.Size([1, 8, 7, 7])
    """

    def __init__(self, pieces: int, dim: int = 1) -> None:
        super().__init__()
        if pieces < 1:
            raise ValueError(f"Maxout: pieces must be at least 1; got {pieces}")
        self.pieces, self.dim = pieces, dim

    def forward(self, input: Tensor) -> Tensor:
        dim = self.dim if self.dim >= 0 else input.ndim + self.dim
        if not 0 <= dim < input.ndim or input.shape[dim] % self.pieces:
            raise ShapeError(
                f"Maxout: dimension {self.dim} of the input must be a multiple of pieces={self.pieces}; "
                f"got an input of shape {tuple(input.shape)}"
            )
        return input.unflatten(dim, (-1, self.pieces)).amax(dim + 1)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}" + (f", dim={self.dim}" if self.dim != 1 else "")
