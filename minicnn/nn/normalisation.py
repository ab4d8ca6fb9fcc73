"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from ..core import device as devices
from ..core.errors import ShapeError
from ..core.tensor import Tensor
from ..ops.creation import ones, tensor, zeros
from . import functional as F
from . import init
from .factory import new_parameter
from .module import Module


class _Affine(Module):
    """A layer whose result is scaled by ``weight`` and shifted by ``bias``, both of one shape, or neither."""

    def _add_parameters(self, shape: tuple[int, ...], affine: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, new_parameter(*shape, device=device, dtype=dtype) if wanted else None)

    def reset_parameters(self) -> None:
        """Start anew: weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _RunningNorm(_Affine):
    """A normalisation that keeps running statistics for evaluation.

    A ``frozen`` one stays in evaluation: it uses its running statistics, and they do not move.
    """

    dims: tuple[int, ...] = ()
    shapes = ""
    frozen = False

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._add_parameters((num_features,), affine, bias, device, dtype)
        track = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype) if track else None)
        self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype) if track else None)
        self.register_buffer("num_batches_tracked", tensor(0) if track else None)
        self.reset_parameters()

    def train(self, mode: bool = True) -> Module:
        """Switch to training, or to evaluation; a frozen layer stays in evaluation."""
        super().train(mode)
        self.training = mode and not self.frozen
        return self

    def reset_running_stats(self) -> None:
        """Start anew: mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Start anew, running statistics included."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check(self, x: Any) -> None:
        if not isinstance(x, Tensor):
            return
        shape = x._form.shape
        if len(shape) not in self.dims or shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__}({self.num_features}): expected an input of shape {self.shapes} "
                f"with C={self.num_features}; got {tuple(x.shape)}. Fix: {self._fitting(x)}"
            )

    def _fitting(self, x: Tensor) -> str:
        """What takes an input of this shape."""
        kind = type(self).__name__
        channels = x.shape[1] if x.ndim > 1 else "C"
        if x.ndim in self.dims:
            return f"{kind}({channels}), as many as the layer before it makes"
        dimensions = {2: "1d", 3: "1d", 4: "2d"}.get(x.ndim)
        if dimensions is None:
            return f"reshape the input to {self.shapes}"
        return f"{kind[:-2]}{dimensions}({channels}), which takes {x.ndim} dimensions"

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        """States from before PyTorch 0.4.1 do not count batches."""
        key = prefix + "num_batches_tracked"
        if self.track_running_stats and key not in state_dict and local_metadata.get("version", 1) < 2:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_RunningNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        momentum, training = self.momentum, self.training
        mean, var = self.running_mean, self.running_var
        use_batch = training or mean is None
        if training and mean is not None and self.track_running_stats:
            batches = self.num_batches_tracked._to_change()  # outside the graph, as the running statistics
            with devices.beside(batches):
                batches += 1
            if momentum is None:  # the plain average of all batches so far
                momentum = 1.0 / int(batches)
        elif training:
            mean = var = None
        return F.batch_norm(input, mean, var, self.weight, self.bias, use_batch, momentum or 0.0, self.eps)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images; see :func:`minicnn.nn.functional.batch_norm`.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float, default 1e-5
    momentum : float or None, default 0.1
        Share of the new batch in the running statistics; None: the average of all batches.
    affine : bool, default True
        Learn a scale and a shift for each channel.
    track_running_stats : bool, default True
        If not, evaluation uses the batch's statistics too.
    device, dtype : optional
    bias : bool, default True
        Whether the shift is learnt.

    Attributes
    ----------
    weight, bias : Parameter (num_features,) or None
    running_mean, running_var : Tensor (num_features,) or None
    num_batches_tracked : Tensor () of int64, or None
    frozen : bool
        If set, the layer stays in evaluation from the next ``train()`` on; see :func:`minicnn.models.freeze`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> y = nn.BatchNorm2d(3)(minicnn.randn(8, 3, 4, 4) * 5 + 2)
    >>> bool(y.mean().abs() < 1e-5)
    True
    """

    dims, shapes = (4,), "(N, C, H, W)"


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of features (N, C) or sequences (N, C, L); parameters as :class:`BatchNorm2d`.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.BatchNorm1d(10)(minicnn.randn(8, 10)).shape
    minicnn.Size([8, 10])
    """

    dims, shapes = (2, 3), "(N, C) or (N, C, L)"


class InstanceNorm2d(_RunningNorm):
    """Normalise each channel of each image; see :func:`minicnn.nn.functional.instance_norm`.

    Parameters
    ----------
    num_features : int
    eps : float, default 1e-5
    momentum : float, default 0.1
    affine : bool, default False
    track_running_stats : bool, default False
    device, dtype : optional
    bias : bool, default True

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> y = nn.InstanceNorm2d(3)(minicnn.randn(8, 3, 4, 4))
    >>> bool((y.mean((2, 3)).abs() < 1e-5).all())
    True
    """

    dims, shapes = (3, 4), "(N, C, H, W) or (C, H, W)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        unbatched = isinstance(input, Tensor) and input.ndim == 3
        x = input.unsqueeze(0) if unbatched else input
        self._check(x)
        use_input = self.training or not self.track_running_stats
        y = F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, use_input, self.momentum or 0.0, self.eps
        )
        return y.squeeze(0) if unbatched else y


class GroupNorm(_Affine):
    """Normalise each group of channels of each sample; see :func:`minicnn.nn.functional.group_norm`.

    Parameters
    ----------
    num_groups, num_channels : int
        The first must divide the second.
    eps : float, default 1e-5
    affine : bool, default True
    device, dtype : optional
    bias : bool, default True

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.GroupNorm(3, 6)(minicnn.randn(2, 6, 10, 10)).shape
    minicnn.Size([2, 6, 10, 10])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(f"GroupNorm: num_channels={num_channels} must be divisible by num_groups={num_groups}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._add_parameters((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        sizes = f"{self.num_groups}, {self.num_channels}"
        return f"{sizes}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class LayerNorm(_Affine):
    """Normalise over the last dimensions; see :func:`minicnn.nn.functional.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, default 1e-5
    elementwise_affine : bool, default True
    bias : bool, default True
    device, dtype : optional

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LayerNorm([6, 10, 10])(minicnn.randn(2, 6, 10, 10)).shape
    minicnn.Size([2, 6, 10, 10])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._add_parameters(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divide by the activity of neighbouring channels; see :func:`minicnn.nn.functional.local_response_norm`.

    Parameters
    ----------
    size : int
        Number of neighbouring channels, the channel itself included.
    alpha : float, default 1e-4
    beta : float, default 0.75
    k : float, default 1.0

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import nn
    >>> nn.LocalResponseNorm(5)(minicnn.randn(2, 96, 3, 3)).shape
    minicnn.Size([2, 96, 3, 3])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
