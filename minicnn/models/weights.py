"""Trained weights, given by path: reading them into a model, and where to get them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..io import load
from ..nn import Module

Weights = str | os.PathLike[str] | Mapping[str, Any] | None

_ADDRESS = "https://download.pytorch.org/models/"
_FILES = {  # torchvision's names of its latest weights
    "alexnet": "alexnet-owt-7be5be79.pth",
    "densenet121": "densenet121-a639ec97.pth",
    "densenet161": "densenet161-8d451a50.pth",
    "densenet169": "densenet169-b2777c0a.pth",
    "densenet201": "densenet201-c1103571.pth",
    "googlenet": "googlenet-1378be20.pth",
    "inception_v3": "inception_v3_google-0cc3c7bd.pth",
    "mnasnet0_5": "mnasnet0.5_top1_67.823-3ffadce67e.pth",
    "mnasnet0_75": "mnasnet0_75-7090bc5f.pth",
    "mnasnet1_0": "mnasnet1.0_top1_73.512-f206786ef8.pth",
    "mnasnet1_3": "mnasnet1_3-a4c69d6f.pth",
    "mobilenet_v2": "mobilenet_v2-7ebf99e0.pth",
    "mobilenet_v3_large": "mobilenet_v3_large-5c1a4163.pth",
    "mobilenet_v3_small": "mobilenet_v3_small-047dcff4.pth",
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-11ad3fa6.pth",
    "resnet101": "resnet101-cd907fc2.pth",
    "resnet152": "resnet152-f82ba261.pth",
    "resnext50_32x4d": "resnext50_32x4d-1a0047aa.pth",
    "resnext101_32x8d": "resnext101_32x8d-110c445d.pth",
    "shufflenet_v2_x0_5": "shufflenetv2_x0.5-f707e7126e.pth",
    "shufflenet_v2_x1_0": "shufflenetv2_x1-5666bf0f80.pth",
    "shufflenet_v2_x1_5": "shufflenetv2_x1_5-3c479a10.pth",
    "shufflenet_v2_x2_0": "shufflenetv2_x2_0-8be3c8ee.pth",
    "squeezenet1_0": "squeezenet1_0-b66bff10.pth",
    "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth",
    "vgg11": "vgg11-8a719046.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13": "vgg13-19584684.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19": "vgg19-dcbb9e9d.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
    "wide_resnet50_2": "wide_resnet50_2-9ba9bcbe.pth",
    "wide_resnet101_2": "wide_resnet101_2-d733dc28.pth",
}


def weights_address(name: str) -> str | None:
    """Where torchvision's trained weights of this model can be downloaded, or None.

    Examples
    --------
    >>> from minicnn import models
    >>> models.weights_address("resnet18")
    'https://download.pytorch.org/models/resnet18-f37072fd.pth'
    """
    return _ADDRESS + _FILES[name] if name in _FILES else None


def no_pretrained(name: str) -> ValueError:
    """The error for ``pretrained=True``."""
    return ValueError(f"{name}(pretrained=True): {_by_path(name)}")


def _by_path(name: str) -> str:
    """That weights are given by path, where this model's are, and what to write."""
    address = weights_address(name)
    where = f"torchvision's fit and are at {address}" if address else "torchvision has none for this model"
    return (
        f"trained weights are given by path here, not downloaded; {where}. "
        f"Fix: models.{name}(weights='path/to/the/file.pth')"
    )


def load_weights(model: Module, weights: Weights, strict: bool = True) -> Any:
    """Read trained weights into a model.

    The keys of torchvision's files fit the models of the same names. A
    checkpoint's ``'state_dict'`` is taken out of it, and a ``'module.'`` before
    every key (left by training in parallel) taken away, as
    :meth:`minicnn.nn.Module.load_state_dict` does.

    Parameters
    ----------
    model : Module
    weights : str, path-like or mapping
        A ``.safetensors``, ``.npz``, ``.pth``, ``.th`` or minicnn file, or a state.
    strict : bool, default True
        Refuse missing and unexpected keys.

    Returns
    -------
    named tuple (missing_keys, unexpected_keys)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    StateDictError
        With a table of what does not fit; the model is left as it was.

    Examples
    --------
    >>> from minicnn import models
    >>> trained = models.squeezenet1_1(num_classes=10)
    >>> models.load_weights(models.squeezenet1_1(num_classes=10), trained.state_dict())
    <All keys matched successfully>
    """
    check_weights(weights)
    state = load(weights) if isinstance(weights, (str, os.PathLike)) else weights
    return model.load_state_dict(state, strict)  # type: ignore[arg-type]


def check_weights(weights: Any, name: str | None = None) -> None:
    """Raise unless this is a state or the path of a file: before a large model, of this name, is built for nothing."""
    if isinstance(weights, Mapping):
        return
    if not isinstance(weights, (str, os.PathLike)):
        raise TypeError(f"weights must be the path of a file, or a state_dict; got {type(weights).__name__}")
    if not os.path.isfile(weights):
        text = str(weights)
        what = "that is a folder" if os.path.isdir(text) else "there is no such file"
        if text.upper().startswith(("DEFAULT", "IMAGENET")):
            what += f"; {_by_path(name)}" if name else "; models.weights_address(name) says where to get weights"
        elif "://" in text:
            what += ". Nothing is downloaded here: download it, and give the path of the file"
        raise FileNotFoundError(f"weights={text!r}: {what}")
