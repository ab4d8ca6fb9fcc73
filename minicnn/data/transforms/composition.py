"""Transforms of transforms: one after the other, some of them, one of them, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..randomness import sample_rng
from .chance import check_probability, finite_numbers

Transform = Callable[[Any], Any]


def _check(transforms: Any, who: str) -> None:
    if not isinstance(transforms, Sequence):
        raise TypeError(f"{who}: expected a list of transforms; got {type(transforms).__name__}. Fix: {who}([...])")
    for i, transform in enumerate(transforms):
        if isinstance(transform, type):
            raise TypeError(f"{who}: transform {i} is the class {transform.__name__}. Fix: {transform.__name__}(...)")
        if not callable(transform):
            raise TypeError(f"{who}: transform {i} is no function: {transform!r}")


class _OfTransforms:
    """Holds a list of transforms and shows it."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        _check(transforms, type(self).__name__)
        self.transforms = transforms

    def _lines(self) -> list[str]:
        return [str(transform) for transform in self.transforms]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({''.join(f'{chr(10)}    {line}' for line in self._lines())}\n)"


class Compose(_OfTransforms):
    """Transforms one after the other.

    Parameters
    ----------
    transforms : list of callable
        The first is applied first.

    Raises
    ------
    TypeError
        If one of them cannot be called, or is a class instead of an object of it.

    Examples
    --------
    >>> from minicnn.data.transforms import Normalize, ToTensor
    >>> Compose([ToTensor(), Normalize((0.1307,), (0.3081,))])
    Compose(
        ToTensor()
        Normalize(mean=(0.1307,), std=(0.3081,))
    )
    """

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img


class RandomApply(_OfTransforms):
    """All of the transforms, one after the other, with probability ``p``; none of them otherwise.

    Parameters
    ----------
    transforms : list of callable
    p : float, default 0.5

    Examples
    --------
    >>> RandomApply([lambda x: x + 1, lambda x: 2 * x], p=1.0)(1)
    4
    """

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = check_probability(p, "RandomApply")

    def __call__(self, img: Any) -> Any:
        if sample_rng().random() < self.p:
            for transform in self.transforms:
                img = transform(img)
        return img

    def _lines(self) -> list[str]:
        return [f"p={self.p}", *super()._lines()]


class RandomChoice(_OfTransforms):
    """One of the transforms, chosen at random.

    Parameters
    ----------
    transforms : list of callable
    p : sequence of float, optional
        Weights of the transforms; equal unless given. They need not sum to 1.

    Examples
    --------
    >>> RandomChoice([lambda x: x + 1, lambda x: x + 2], p=[0, 1])(1)
    3
    """

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if not transforms:
            raise ValueError("RandomChoice: expected at least one transform; got an empty list")
        if p is not None:
            rule = f"RandomChoice: p is one weight per transform, here {len(transforms)}, from 0 on and not all 0"
            weights = finite_numbers(p, rule, (len(transforms),))
            if min(weights) < 0 or sum(weights) == 0:
                raise ValueError(f"{rule}; got {p!r}")
        self.p = p

    def __call__(self, img: Any) -> Any:
        weights = None if self.p is None else [weight / sum(self.p) for weight in self.p]
        return self.transforms[int(sample_rng().choice(len(self.transforms), p=weights))](img)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class RandomOrder(_OfTransforms):
    """All of the transforms, in random order.

    Parameters
    ----------
    transforms : list of callable

    Examples
    --------
    >>> RandomOrder([lambda x: x + 1, lambda x: 2 * x])(1) in (3, 4)
    True
    """

    def __call__(self, img: Any) -> Any:
        for i in sample_rng().permutation(len(self.transforms)):
            img = self.transforms[i](img)
        return img


class Lambda:
    """Any function as a transform.

    Parameters
    ----------
    lambd : callable
        Called with the image. For process workers it must be a function of a module.

    Examples
    --------
    >>> Lambda(lambda x: x + 1)(1)
    2
    """

    def __init__(self, lambd: Transform) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function; got {type(lambd).__name__}: {lambd!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
