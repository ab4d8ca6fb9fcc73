"""The protocol: what a callback is told, and when."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..loop import Run


class Callback:
    """Base of the callbacks: something that happens at certain places of a training.

    A subclass overrides the methods of the places that concern it; all of
    these do nothing here. ``run`` is the training itself (:class:`~minicnn.train.Run`): its model and
    optimiser, ``run.epoch``, ``run.step``, ``run.history``, ``run.stop("reason")`` and so on. ::

        on_fit_begin(run)
        for each epoch:
            on_epoch_begin(run)
            for each batch:
                inputs, targets = on_batch(run, inputs, targets)
                (forward, backward)
                on_gradients(run)           before the optimiser's step
                on_step_end(run)            after it
            with evaluating(run):
                (validation)
            on_epoch_end(run, row)
        on_fit_end(run)                     in reverse order
        close(run)                          in any case, after an error too

    With ``accumulate=k`` the optimiser steps, and ``on_gradients`` and ``on_step_end`` are called, once in k batches.

    Attributes
    ----------
    order : int
        Callbacks are called in the order in which they are given; those of a higher ``order`` after those of a
        lower one. Checkpoints are written last, so that they hold what all others made of an epoch.

    only_writes : bool
        Whether it changes nothing in the training, so that a training can be resumed without it.

    Examples
    --------
    Say something after every epoch:

    >>> class Announcer(Callback):
    ...     def on_epoch_end(self, run, row):
    ...         print(f"epoch {row['epoch']} of {run.epochs} is over")
    >>> import minicnn
    >>> from minicnn import nn, optim, train
    >>> model = nn.Linear(2, 2)
    >>> data = [(minicnn.ones(4, 2), minicnn.tensor([0, 1, 1, 1]))]
    >>> _ = train.fit(model, data, optimizer=optim.SGD(model.parameters(), 0.1), epochs=2, callbacks=[Announcer()])
    epoch 1 of 2 is over
    epoch 2 of 2 is over
    """

    order = 0
    only_writes = False

    def on_fit_begin(self, run: Run) -> None:
        """The training begins; ``run.resuming`` says whether a state will be loaded next."""

    def on_epoch_begin(self, run: Run) -> None:
        """Epoch ``run.epoch`` begins; not called again by a training that is resumed in the middle of it."""

    def on_batch(self, run: Run, inputs: Any, targets: Any) -> tuple[Any, Any]:
        """A batch has been read, and is not on the device yet; what is returned is what the model sees."""
        return inputs, targets

    def on_gradients(self, run: Run) -> None:
        """The gradients are complete, and the optimiser will use them now."""

    def on_step_end(self, run: Run) -> None:
        """The optimiser has made step ``run.step``."""

    def evaluating(self, run: Run) -> AbstractContextManager[Any]:
        """What surrounds validation, and saving the model that was validated."""
        return nullcontext()

    def on_epoch_end(self, run: Run, row: dict[str, Any]) -> None:
        """The epoch is over; ``row`` is its row of the history, to which a callback may add numbers."""

    def on_fit_end(self, run: Run) -> None:
        """The training is over, or stopped. Called in reverse order: checkpoints are written first."""

    def close(self, run: Run) -> None:
        """Let go of files; called even if the training ended with an error."""

    def state_dict(self) -> dict[str, Any]:
        """What must be known to go on exactly from a checkpoint; nothing unless there is something."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""


class BatchTransform(Callback):
    """Change whole batches: ``inputs, targets = transform(inputs, targets)``, as MixUp and CutMix do.

    Parameters
    ----------
    transform : callable
        It may draw from :func:`minicnn.data.sample_rng`, or from ``minicnn.rand`` and its like: a
        resumed training then draws the same.

    Examples
    --------
    >>> from minicnn import transforms
    >>> mixing = BatchTransform(transforms.MixUp(num_classes=10))
    >>> mirroring = BatchTransform(lambda images, labels: (images.flip(3), labels))
    """

    def __init__(self, transform: Any) -> None:
        if not callable(transform):
            raise TypeError(
                f"BatchTransform: expected a callable, transform(inputs, targets); got a {type(transform).__name__}"
            )
        self.transform = transform

    def on_batch(self, run: Run, inputs: Any, targets: Any) -> tuple[Any, Any]:
        changed = self.transform(inputs, targets)
        if not isinstance(changed, (tuple, list)) or len(changed) != 2:
            raise TypeError(
                f"BatchTransform: the transform must return the pair (inputs, targets); got a {type(changed).__name__}"
            )
        return changed[0], changed[1]
