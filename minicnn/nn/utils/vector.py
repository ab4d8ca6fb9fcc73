"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.errors import ShapeError
from ...core.tensor import Tensor
from ...ops.joining import cat


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Join parameters, flattened, to one vector.

    Parameters
    ----------
    parameters : iterable of Tensor

    Returns
    -------
    Tensor, one-dimensional

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    minicnn.Size([8])
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give parameters the values of a vector, piece after piece.

    Parameters
    ----------
    vec : Tensor, one-dimensional
    parameters : iterable of Tensor

    Raises
    ------
    ShapeError
        If the vector has not as many numbers as the parameters.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> layer = nn.Linear(2, 1)
    >>> nn.utils.vector_to_parameters(minicnn.arange(3.0), layer.parameters())
    >>> layer.bias.data
    tensor([2.])
    """
    targets = list(parameters)
    count = sum(p.numel() for p in targets)
    if vec.ndim != 1 or vec.numel() != count:
        raise ShapeError(f"vector_to_parameters: expected a vector of {count} numbers; got shape {tuple(vec.shape)}")
    start = 0
    for p in targets:
        p.data = vec[start : start + p.numel()].detach().reshape(p.shape).to(p.dtype)
        start += p.numel()
