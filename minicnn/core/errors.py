"""The errors of minicnn. Those about shapes, types and backends come from the kernels."""

from minicnn_kernels.errors import BackendError, CaptureError, DTypeError, LayerError, ShapeError

__all__ = [
    "AnomalyError",
    "AutogradError",
    "BackendError",
    "CaptureError",
    "DTypeError",
    "DeviceError",
    "LayerError",
    "ShapeError",
]


class AutogradError(LayerError, RuntimeError):
    """A backward pass that cannot be done, or would give a wrong gradient."""


class AnomalyError(AutogradError):
    """The first NaN, found by :class:`minicnn.autograd.detect_anomaly`."""


class DeviceError(LayerError, ValueError, RuntimeError):
    """A device that does not exist here, or tensors that are not on the same one; PyTorch has RuntimeError for both."""
