"""The same networks in PyTorch: minicnn's model files, run a second time with PyTorch in minicnn's place.

The files of ``minicnn.models`` are written with names that PyTorch has too: ``nn.Conv2d``, ``Tensor``, ``cat``.
Imported here once more, as ``torch_twin.models``, their relative imports find PyTorch's:

==================================  =====================================================
a file says                         and gets
==================================  =====================================================
``from .. import nn``               ``torch.nn``
``from ..ops.joining import cat``   ``torch.cat``: what ``torch`` or ``torch.autograd`` has
``from ..core.errors import ...``   minicnn's own: PyTorch has nothing of that name
``from .base import ImageNetwork``  what :data:`REPLACED` says
==================================  =====================================================

So the two networks are one text, layer by layer, and the names of their weights are the same.

>>> network("squeezenet1_1", num_classes=10).features[0]
Conv2d(3, 64, kernel_size=(3, 3), stride=(2, 2))
"""

from __future__ import annotations

import importlib
import sys
from collections import OrderedDict
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

import minicnn.models

PACKAGE = "torch_twin"


class _Sequential(torch.nn.Sequential):
    """Takes a plain dict of layers, as minicnn's does."""

    def __init__(self, *layers: Any) -> None:
        super().__init__(*(OrderedDict(part) if isinstance(part, dict) else part for part in layers))


# What differs from minicnn, or belongs to its modules and tensors and is no network: {module: {name: object}}
REPLACED: dict[str, dict[str, Any]] = {
    "nn": {"Sequential": _Sequential},
    "models.base": {"ImageNetwork": torch.nn.Module},
    "models.registry": {"register_model": lambda builder=None, **_: builder or (lambda b: b)},
    "models.weights": {},
}


class _Substitute(ModuleType):
    """A module of minicnn in which every name is PyTorch's, if PyTorch has it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__name__ == PACKAGE:  # the package itself holds modules alone
            raise AttributeError(name)
        part = self.__name__.removeprefix(f"{PACKAGE}.")
        if name in REPLACED.get(part, {}):
            return REPLACED[part][name]
        for owner in (torch.nn,) if part == "nn" else (torch, torch.autograd):
            if hasattr(owner, name):
                return getattr(owner, name)
        return getattr(importlib.import_module(f"minicnn.{part}"), name)


class _Finder(MetaPathFinder, Loader):
    """Finds a substitute for every module of minicnn but the files of the zoo."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, part = fullname.partition(".")
        if package != PACKAGE or (part.startswith("models.") and part not in REPLACED):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Substitute(spec.name)
        if spec.name == f"{PACKAGE}.models":
            spec.submodule_search_locations = list(minicnn.models.__path__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


sys.meta_path.append(_Finder())


def network(name: str, **config: Any) -> torch.nn.Module:
    """Build ``minicnn.models.<name>`` in PyTorch.

    Parameters
    ----------
    name : str
        Of a model of the zoo.
    **config
        Arguments of its builder.
    """
    file = minicnn.models.get_model_builder(name).__module__.rpartition(".")[2]
    builder = getattr(importlib.import_module(f"{PACKAGE}.models.{file}"), name)
    return builder(**config)
