"""What all networks of the zoo share: a word about the image when it is too small."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.layer_stack import stack
from ..core.tensor import Tensor
from ..nn import Module
from ..ops.creation import zeros
from .rehearsal import at_rest, of_parameters

LARGEST = 1024  # pixels: no network of the zoo needs more


class ImageNetwork(Module):
    """A network that takes a batch of images ``(N, C, H, W)``.

    An error about sizes says which images the network takes. A network of one's own may derive from it too.

    Examples
    --------
    >>> from minicnn import models, nn
    >>> class Net(models.ImageNetwork):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(3, 8, 7)
    ...     def forward(self, x):
    ...         return self.conv(x).mean((2, 3))
    >>> Net().smallest_image()
    7
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except ShapeError as error:
            image = next(iter((*args, *kwargs.values())), None)
            if stack.modules or not isinstance(image, Tensor):
                raise  # inside another network, whose images are what the user knows, or something else is wrong
            advice = self._advice(image)
            if advice is None:
                raise
            raise _with(advice, error) from error

    def _advice(self, image: Tensor) -> str | None:
        name = type(self).__name__
        if image.ndim != 4:
            fix = ". Fix: x.unsqueeze(0) for one image (C, H, W)" if image.ndim == 3 else ""
            return f"{name}: expected a batch of images (N, C, H, W); got {tuple(image.shape)}{fix}"
        channels, h, w = image.shape[1:]
        with at_rest(self, self.training):
            if self._takes(channels, h, w):
                return None  # the size is not what is wrong
            smallest = self.smallest_image(channels)
            if smallest is None and self.smallest_image(w) is not None:
                return (
                    f"{name}: the images {tuple(image.shape)} have their channels last; expected (N, C, H, W). "
                    "Fix: x.permute(0, 3, 1, 2)"
                )
        if smallest is None:
            return None
        size = f"({smallest}, {smallest})"
        if min(h, w) < smallest:
            return (
                f"{name}: the image is too small: it has {h} x {w} pixels, and the smallest square image that this "
                f"network takes has {smallest} x {smallest}{self._otherwise(channels, smallest)}. Fix: make it larger, "
                f"for instance with nn.functional.interpolate(x, size={size})"
            )
        return (
            f"{name}: the image has {h} x {w} pixels, which this network does not take; it does take "
            f"{smallest} x {smallest}. Fix: nn.functional.interpolate(x, size={size})"
        )

    def _otherwise(self, channels: int, smallest: int) -> str:
        """A remark where training takes only larger images than evaluation: its auxiliary heads shrink them further."""
        if self.training:
            with at_rest(self, training=False):
                side = self._smallest(channels)
            if side is not None and side < smallest:
                return f" in training (in evaluation, or with aux_logits=False, {side} x {side})"
        return ""

    def _takes(self, channels: int, height: int, width: int) -> bool:
        """Whether an image of this size goes through, tried on a batch of no images, which costs next to nothing."""
        try:
            Module.__call__(self, zeros(0, channels, height, width, **of_parameters(self)))
        except ShapeError:
            return False
        return True

    def smallest_image(self, channels: int = 3) -> int | None:
        """Height and width of the smallest square image that this network takes, or None if none fits.

        A network with auxiliary heads may take smaller ones in evaluation than in training.

        Parameters
        ----------
        channels : int, default 3

        Examples
        --------
        >>> from minicnn import models
        >>> models.alexnet(num_classes=2).smallest_image()
        63
        """
        with at_rest(self, self.training):
            return self._smallest(channels)

    def _smallest(self, channels: int) -> int | None:
        high = next((2**k for k in range(LARGEST.bit_length()) if self._takes(channels, 2**k, 2**k)), None)
        if high is None:
            return None
        low = high // 2  # is not taken
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._takes(channels, middle, middle) else (middle, high)
        return high


def _with(advice: str, error: ShapeError) -> ShapeError:
    """The same error with the advice in front."""
    advised = ShapeError(f"{advice}\n  {error.args[0]}")
    advised.layer, advised.sizes = error.layer, error.sizes
    return advised
