"""The list of all models by name, and what building one by name means."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ..nn import Module
from .weights import check_weights, load_weights, no_pretrained

_BUILDERS: dict[str, Callable[..., Any]] = {}


def register_model(
    builder: Callable[..., Any] | None = None, *, image: tuple[int, int, int] = (3, 224, 224)
) -> Callable[..., Any]:
    """Enter a function that builds a model under its own name, and let it take ``weights``.

    The function's keyword arguments go to the model. ``weights``, a file or a
    state, is then loaded (:func:`load_weights`); a builder that names ``weights``
    among its arguments loads them itself. ``num_classes`` and ``in_channels``, if
    given, must be positive integers. ``pretrained`` and ``progress`` are
    torchvision's and are explained to whoever gives them.

    Parameters
    ----------
    builder : callable
        ``builder(**config) -> Module``; its ``__name__`` becomes the model's name.
    image : tuple of int, default (3, 224, 224)
        ``(C, H, W)`` of the images that the model is made for.

    Returns
    -------
    callable
        ``build(*, weights=None, progress=True, **config) -> Module``, with ``image`` as an attribute. Without
        ``builder``, a decorator: ``@register_model(image=(1, 32, 32))``.

    Raises
    ------
    ValueError
        If another file has registered a model of this name.

    Examples
    --------
    >>> from minicnn import models, nn
    >>> @models.register_model
    ... def one_layer(num_classes=10):
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes))
    >>> models.get_model("one_layer", num_classes=3)[1]
    Linear(in_features=784, out_features=3, bias=True)
    """
    if builder is None:
        return functools.partial(register_model, image=image)
    name = builder.__name__
    if name in _BUILDERS and _BUILDERS[name].__module__ != builder.__module__:
        raise ValueError(
            f"register_model: there is a model named {name!r} already, from {_BUILDERS[name].__module__}. "
            "Fix: another name for this function"
        )
    own = inspect.signature(builder)
    loads_itself = "weights" in own.parameters
    arguments = _arguments(builder)

    @functools.wraps(builder)
    def build(pretrained: Any = False, progress: bool = True, *, weights: Any = None, **config: Any) -> Any:
        if pretrained is True:
            raise no_pretrained(name)
        if pretrained:  # whatever was given first
            raise TypeError(
                f"{name}: arguments are given by name, such as num_classes=10 or weights='file.pth'; got {pretrained!r}"
            )
        _check_names(name, arguments, config)
        for argument in ("num_classes", "in_channels"):
            if argument in config:
                _check_count(f"{name}: {argument}", config[argument])
        if weights is not None:
            check_weights(weights, name)
        if loads_itself:
            return builder(weights=weights, **config)
        model = builder(**config)
        if weights is not None:
            load_weights(model, weights)
        return model

    keyword = inspect.Parameter.KEYWORD_ONLY
    build.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[
            inspect.Parameter("weights", keyword, default=None, annotation="Weights"),
            inspect.Parameter("progress", keyword, default=True, annotation="bool"),
            *(
                p if p.kind is p.VAR_KEYWORD else p.replace(kind=keyword)
                for n, p in own.parameters.items()
                if n != "weights"
            ),
        ]
    )
    build.image = image  # type: ignore[attr-defined]
    if build.__doc__ and arguments and "Parameters\n" not in build.__doc__:
        build.__doc__ += PARAMETERS.format(", ".join(sorted(arguments - {"weights"})))
    _BUILDERS[name] = build
    return build


PARAMETERS = """

    Parameters
    ----------
    weights : path or state_dict, optional
        Trained weights.
    **config
        Arguments of the class: {}.
"""


def _arguments(builder: Callable[..., Any]) -> set[str] | None:
    """Names of the arguments that a builder takes: its own, and those of the class that it returns; None: any."""
    own = inspect.signature(builder).parameters
    names = {name for name, p in own.items() if p.kind is not p.VAR_KEYWORD}
    if len(names) < len(own):
        returned = builder.__annotations__.get("return")
        kind = getattr(builder, "__globals__", {}).get(returned) if isinstance(returned, str) else returned
        if not isinstance(kind, type):
            return None
        taken = inspect.signature(kind).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in taken):
            return None
        names |= {p.name for p in taken if p.default is not p.empty}
    return names


def _check_names(model: str, known: set[str] | None, config: dict[str, Any]) -> None:
    for name in config:
        if known is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise TypeError(f"{model}: there is no argument {name!r}. {hint}Expected: {', '.join(sorted(known))}")


def _check_count(what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1; got {value!r}")


def list_models(include: str | Iterable[str] | None = None, exclude: str | Iterable[str] | None = None) -> list[str]:
    """Names of the models, sorted.

    Parameters
    ----------
    include : str or iterable of str, optional
        Only names that fit this pattern (or one of these), in which ``*`` stands for anything.
    exclude : str or iterable of str, optional
        No names that fit this pattern (or one of these).

    Examples
    --------
    >>> from minicnn import models
    >>> models.list_models("vgg1*", exclude="*_bn")
    ['vgg11', 'vgg13', 'vgg16', 'vgg19']
    """
    wanted, unwanted = _patterns(include or "*"), _patterns(exclude or [])
    return sorted(name for name in _BUILDERS if _fits(name, wanted) and not _fits(name, unwanted))


def _patterns(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _fits(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def get_model_builder(name: str) -> Callable[..., Any]:
    """The function that builds the model of this name.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest ones.

    Examples
    --------
    >>> from minicnn import models
    >>> models.get_model_builder("resnet18") is models.resnet18
    True
    """
    if not isinstance(name, str):
        raise TypeError(f"a model's name is a string, such as 'resnet18'; got {name!r}")
    wanted = name if name in _BUILDERS else name.lower()
    if wanted in _BUILDERS:
        return _BUILDERS[wanted]
    near = difflib.get_close_matches(wanted.replace("-", "_"), _BUILDERS, n=5, cutoff=0.5)
    hint = f"Did you mean {', '.join(map(repr, near))}?" if near else "models.list_models() lists them all."
    raise ValueError(f"there is no model named {name!r}. {hint}")


def get_model(name: str, **config: Any) -> Module:
    """Build the model of this name.

    Parameters
    ----------
    name : str
        One of :func:`list_models`; capital letters make no difference.
    **config
        What the builder takes: ``weights``, ``num_classes`` ...

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        If there is no such model; the message names the nearest ones.

    Examples
    --------
    >>> import minicnn
    >>> from minicnn import models
    >>> models.get_model("squeezenet1_1", num_classes=10)(minicnn.zeros(1, 3, 64, 64)).shape
    minicnn.Size([1, 10])
    """
    return get_model_builder(name)(**config)
