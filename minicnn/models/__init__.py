"""The architectures of a vision course, one file per family, and a list of them by name.

>>> from minicnn import models
>>> model = models.get_model("resnet18", num_classes=10)
>>> models.list_models("resnet18*")
['resnet18']
"""

# ruff: noqa: F401, F403 - each file names in __all__ what it gives

import difflib
from types import ModuleType
from typing import Any

from ..core.left_out import left_out
from .alexnet import *
from .base import ImageNetwork
from .blocks import *
from .darknet import *
from .densenet import *
from .densenet_cifar import *
from .export import export_onnx
from .feature_extraction import FeatureExtractor, create_feature_extractor, features
from .googlenet import *
from .googlenet_2014 import *
from .heads import replace_head
from .inception import *
from .inception_resnet import *
from .lenet import *
from .maxout import *
from .mnasnet import *
from .mobilenet_v1 import *
from .mobilenet_v2 import *
from .mobilenet_v3 import *
from .nasnet import *
from .nin import *
from .registry import get_model, get_model_builder, list_models, register_model
from .resnet import *
from .resnet_cifar import *
from .resnet_v2 import *
from .shufflenet_v1 import *
from .shufflenet_v2 import *
from .squeezenet import *
from .stochastic_depth import *
from .transfer import freeze, parameter_groups, unfreeze
from .vgg import *
from .weights import load_weights, weights_address
from .wide_resnet import *
from .xception import *
from .zfnet import *

__all__ = [
    name
    for name, value in list(globals().items())
    if not name.startswith("_")
    and not isinstance(value, ModuleType)
    and name not in ("Any", "ModuleType", "left_out", "difflib")
]


def __getattr__(name: str) -> Any:
    error = left_out(name, __name__)
    near = difflib.get_close_matches(name, __all__, n=3, cutoff=0.7)
    if near and ":" not in str(error):
        error.args = (f"{error}. Did you mean {', '.join(map(repr, near))}?",)
    raise error
