"""Tools for teaching: what a network is made of and what it costs.

>>> import minicnn
>>> from minicnn import nn
>>> minicnn.explain.summary(nn.Conv2d(3, 64, 3), (3, 8, 8), verbose=0).total_mult_adds  # 3*3*3*64*6*6
62208
"""

from .activity import ActivationRow, ActivationStats, activation_stats
from .columns import Im2col, im2col
from .element import Pixel
from .field import Field
from .flow import FlowRow, GradientFlow, gradient_flow
from .pictures.attribution import Attribution
from .pictures.deconvnet import Deconvnet, deconvnet
from .pictures.grad_cam import GradCam, grad_cam
from .pictures.occlusion import Occlusion, occlusion
from .pictures.saliency import GuidedBackprop, Saliency, guided_backprop, saliency
from .pixels import pixel
from .result import Summary
from .rows import ParameterRow, Row
from .summarise import summary

__all__ = [
    "ActivationRow",
    "ActivationStats",
    "Attribution",
    "Deconvnet",
    "Field",
    "FlowRow",
    "GradCam",
    "GradientFlow",
    "GuidedBackprop",
    "Im2col",
    "Occlusion",
    "ParameterRow",
    "Pixel",
    "Row",
    "Saliency",
    "Summary",
    "activation_stats",
    "deconvnet",
    "grad_cam",
    "gradient_flow",
    "guided_backprop",
    "im2col",
    "occlusion",
    "pixel",
    "saliency",
    "summary",
]
