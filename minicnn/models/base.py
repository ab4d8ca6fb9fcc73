"""What all networks of the zoo share: a word about the image when it is too small."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.grad_mode import no_grad
from ..core.layer_stack import stack
from ..core.tensor import Tensor
from ..nn import Module
from ..ops.creation import zeros

LARGEST = 1024  # pixels: no network of the zoo needs more


class ImageNetwork(Module):
    """A network that takes a batch of images ``(N, C, H, W)``.

    An error about sizes says which images the network takes.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except ShapeError as error:
            image = args[0] if args else None
            if stack.modules or not isinstance(image, Tensor) or image.ndim != 4:
                raise  # inside another network, which will say it, or something else is wrong
            advice = self._advice(image)
            if advice is None:
                raise
            larger = ShapeError(f"{advice}\n  {error.args[0]}")
            larger.layer = error.layer
            raise larger from error

    def _advice(self, image: Tensor) -> str | None:
        channels, h, w = image.shape[1:]
        with _Evaluation(self):
            if self._takes(channels, h, w):
                return None  # the size is not what is wrong
            smallest = self.smallest_image(channels)
        if smallest is None:
            return None
        name, size = type(self).__name__, f"({smallest}, {smallest})"
        if min(h, w) < smallest:
            return (
                f"{name}: the image is too small: it has {h} x {w} pixels, and the smallest square image that this "
                f"network takes has {smallest} x {smallest}. Fix: make it larger, for instance with "
                f"nn.functional.interpolate(x, size={size})"
            )
        return (
            f"{name}: the image has {h} x {w} pixels, which this network does not take; it does take "
            f"{smallest} x {smallest}. Fix: nn.functional.interpolate(x, size={size})"
        )

    def _takes(self, channels: int, height: int, width: int) -> bool:
        """Whether an image of this size goes through, tried on a batch of no images, which costs next to nothing."""
        try:
            Module.__call__(self, zeros(0, channels, height, width, dtype=next(self.parameters()).dtype))
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
        with _Evaluation(self):
            high = next((2**k for k in range(LARGEST.bit_length()) if self._takes(channels, 2**k, 2**k)), None)
            if high is None:
                return None
            low = high // 2  # is not taken
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if self._takes(channels, middle, middle) else (middle, high)
            return high


class _Evaluation:
    """Within the block all layers of the model are in evaluation mode and nothing is recorded; then all is as before.

    The model itself stays in training mode if it was: then its auxiliary heads, which may take fewer sizes, run too.
    """

    def __init__(self, model: Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.training = {module: module.training for module in self.model.modules()}
        self.recording = no_grad()
        self.recording.__enter__()
        self.model.eval()
        self.model.training = self.training[self.model]

    def __exit__(self, *_: Any) -> None:
        for module, mode in self.training.items():
            module.training = mode
        self.recording.__exit__(None, None, None)
