"""What PyTorch has and minicnn leaves out, with what to use instead."""

from __future__ import annotations

import sys

_GPU_ONLY = "minicnn computes in the precision of the tensors; float32 convolutions on a GPU use TF32"
_INSTEAD = {  # a part of the name, in lower case
    "1d": "minicnn computes on images; a sequence (N, C, L) is an image (N, C, 1, L) for the 2-d layer",
    "3d": "minicnn computes on images; volumes are left out",
    "lazy": "layers whose input size is found out later are left out; give in_channels or in_features",
    "lstm": "recurrent networks are left out",
    "gru": "recurrent networks are left out",
    "rnn": "recurrent networks are left out",
    "transformer": "attention is left out",
    "attention": "attention is left out",
    "embedding": "embeddings are left out",
    "gelu": "use SiLU, which is close to it",
    "dataparallel": "there is one device here; call the model itself",
    "syncbatchnorm": "there is one process here; use BatchNorm2d",
    "compile": "use minicnn.compile(model)",
    "jit": "use minicnn.compile(model)",
    "autocast": _GPU_ONLY,
    "gradscaler": _GPU_ONLY,
    "bfloat16": "NumPy has no bfloat16; use float32, or float16 to save memory",
    "complex": "complex numbers are left out",
    "sparse": "sparse tensors are left out",
    "quant": "quantised tensors are left out",
    "jacobian": "use autograd.grad for each output, with retain_graph=True",
    "hessian": "use autograd.grad twice, with create_graph=True the first time",
    "_weights": "trained weights are given by path, models.resnet18(weights='resnet18.pth')",
    "lbfgs": "use SGD with momentum, or Adam",
    "adamax": "use Adam",
    "nadam": "use Adam or AdamW",
    "radam": "use Adam or AdamW",
}
_PARTS = {  # the whole name
    "amp": _GPU_ONLY,
    "distributed": "there is one process here",
    "fft": "use numpy.fft on x.numpy()",
    "func": "use autograd.grad",
    "functional": "use autograd.grad",
    "hub": "weights are loaded from files, with load",
    "linalg": "use numpy.linalg on x.numpy()",
    "modules": "the layers are in minicnn.nn itself",
    "multiprocessing": "use Python's multiprocessing; DataLoader(num_workers=...) needs neither",
    "profiler": "use Python's cProfile",
    "set_default_tensor_type": "use set_default_dtype",
    "version": "use minicnn.__version__, and minicnn.show_config() for CUDA",
    "vmap": "use the batch dimension",
}


# Names of parts of torchvision that are not there yet, by the module that would have them.
_NOT_YET = {
    "minicnn.models": (
        *("efficientnet", "convnext", "regnet", "vit_", "swin", "maxvit", "segmentation", "detection", "video"),
        *("quantization", "optical_flow", "fcn", "deeplab", "lraspp", "ssd", "retinanet", "fasterrcnn", "maskrcnn"),
    ),
    "minicnn.data.transforms": (
        *("v2", "randomperspective", "elastictransform", "lineartransformation"),
        *("autoaugment", "randaug", "trivialaugment", "augmix"),
    ),
    "minicnn.data.datasets": (
        *("svhn", "emnist", "kmnist", "qmnist", "usps", "imagenet", "coco"),
        *("celeba", "caltech", "food101", "flowers102", "oxfordiiitpet", "places365", "cityscapes"),
    ),
}


def left_out(name: str, module: str) -> AttributeError:
    """The error for an attribute that ``module`` does not have."""
    lowered = name.lower()
    message = f"module {module!r} has no attribute {name!r}"
    if lowered.startswith(_NOT_YET.get(module, ())):
        message += ": torchvision has it, minicnn does not have it yet"
    elif not name.startswith("_"):
        reason = _PARTS.get(name) or next((text for part, text in _INSTEAD.items() if part in lowered), None)
        message += f": PyTorch has it, minicnn leaves it out; {reason}" if reason else ""
    return AttributeError(message, name=name, obj=sys.modules[module])
