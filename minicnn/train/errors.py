"""What training warns of and stops at."""

from __future__ import annotations


class TrainingWarning(UserWarning):
    """A usual mistake, seen while training; the text says how to mend it.

    Examples
    --------
    Make every such warning an error:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", TrainingWarning)
    """


class ResumeError(ValueError):
    """A checkpoint that is not one of this training: another network, optimiser or dataset."""


class NonFiniteError(ValueError):
    """NaN or infinity in a training that is to stop there; the text names the layer."""
