"""The errors of minicnn. Those about shapes, types and backends come from the kernels."""

from minicnn_kernels.errors import BackendError, DTypeError, LayerError, ShapeError

__all__ = ["AnomalyError", "AutogradError", "BackendError", "DTypeError", "DeviceError", "LayerError", "ShapeError"]


class AutogradError(LayerError, RuntimeError):
    """A backward pass that cannot be done, or would give a wrong gradient."""


class AnomalyError(AutogradError):
    """The first NaN, found by :class:`minicnn.autograd.detect_anomaly`."""


class DeviceError(LayerError, ValueError, RuntimeError):
    """A device that does not exist here, or tensors that are not on the same one; PyTorch has RuntimeError for both."""


class CaptureError(RuntimeError):
    """Something that cannot be part of a CUDA graph, or a graph that does not fit any more."""
