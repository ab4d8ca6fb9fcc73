"""Tools for teaching: what happens inside a convolution, and what a network is made of, costs and has learnt.

* one operation: :func:`pixel`, :func:`im2col`, :func:`compare`
* costs and sizes: :func:`summary`, :func:`cost`, :func:`compare_cost`, :func:`receptive_field`, :func:`graph`
* training: :func:`gradient_flow`, :func:`activation_stats`, :func:`gradient_autopsy`
* pictures: :func:`filters`, :func:`feature_maps`, :func:`saliency`, :func:`guided_backprop`, :func:`grad_cam`,
  :func:`occlusion`, :func:`deconvnet`, :func:`most_activating`, :func:`confusion_matrix`, :func:`misclassified`
* all about one model on one page of HTML: :func:`page`

Each returns a result: ``str()`` is a text, its attributes are numbers and arrays, a notebook shows it, and (but for
tables, drawings and pages, which are texts already) ``figure()`` is a figure of matplotlib.

>>> import minicnn
>>> from minicnn import nn
>>> minicnn.explain.summary(nn.Conv2d(3, 64, 3), (3, 8, 8), verbose=0).total_mult_adds  # 3*3*3*64*6*6
62208
"""

import functools as _functools
from collections.abc import Callable as _Callable
from typing import Any as _Any

from ..core import device as _devices
from .activity import ActivationRow, ActivationStats, activation_stats
from .architecture.drawing import Graph, graph
from .autopsy import Autopsy, InputAutopsy, gradient_autopsy
from .columns import Im2col, im2col
from .comparing import Comparison, KernelComparison, compare
from .cost_table import Cost, CostComparison, compare_cost, cost
from .element import Pixel
from .field import Field
from .flow import FlowRow, GradientFlow, gradient_flow
from .implementations import Implementation
from .pages.writing import Page, page
from .pictures.attribution import Attribution
from .pictures.deconvnet import Deconvnet, deconvnet
from .pictures.exciting import MostActivating, most_activating
from .pictures.filters import FeatureMaps, Filters, feature_maps, filters
from .pictures.grad_cam import GradCam, grad_cam
from .pictures.mistakes import ConfusionMatrix, Misclassified, confusion_matrix, misclassified
from .pictures.occlusion import Occlusion, occlusion
from .pictures.saliency import GuidedBackprop, Saliency, guided_backprop, saliency
from .pixels import pixel
from .result import Summary
from .rows import ParameterRow, Row
from .seeing import ReceptiveField, receptive_field
from .summarise import summary

__all__ = [
    "ActivationRow",
    "ActivationStats",
    "Attribution",
    "Autopsy",
    "Comparison",
    "ConfusionMatrix",
    "Cost",
    "CostComparison",
    "Deconvnet",
    "FeatureMaps",
    "Field",
    "Filters",
    "FlowRow",
    "GradCam",
    "GradientFlow",
    "Graph",
    "GuidedBackprop",
    "Im2col",
    "Implementation",
    "InputAutopsy",
    "KernelComparison",
    "Misclassified",
    "MostActivating",
    "Occlusion",
    "Page",
    "ParameterRow",
    "Pixel",
    "ReceptiveField",
    "Row",
    "Saliency",
    "Summary",
    "activation_stats",
    "compare",
    "compare_cost",
    "confusion_matrix",
    "cost",
    "deconvnet",
    "feature_maps",
    "filters",
    "grad_cam",
    "gradient_autopsy",
    "gradient_flow",
    "graph",
    "guided_backprop",
    "im2col",
    "misclassified",
    "most_activating",
    "occlusion",
    "page",
    "pixel",
    "receptive_field",
    "saliency",
    "summary",
]


def _on_the_cpu(function: _Callable[..., _Any]) -> _Callable[..., _Any]:
    """The function, which says so if it is given what is on a GPU."""

    @_functools.wraps(function)
    def checked(*args: _Any, **kwargs: _Any) -> _Any:
        if _devices.in_use:
            _devices.check_on_cpu(f"explain.{function.__name__}", *args, *kwargs.values())
        return function(*args, **kwargs)

    return checked


globals().update({_name: _on_the_cpu(globals()[_name]) for _name in __all__ if _name.islower() and _name != "summary"})
