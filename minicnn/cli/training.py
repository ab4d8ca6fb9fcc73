"""From settings to what ``train.fit`` takes: model, optimiser, schedule, callbacks."""

from __future__ import annotations

from typing import Any

from .settings import OPTIMIZERS
from .trained import noted


def build_model(settings: Any, num_classes: int) -> Any:
    """The model, from random or given weights, with a last layer for the classes, and frozen where asked for."""
    from .. import models

    config = dict(settings.model_args or {})
    if not settings.weights:
        if settings.features:
            raise ValueError(
                "--features trains the last layer alone, on what the other layers see; from random weights they see "
                f"nothing. Fix: --weights FILE{_address(settings.model)}"
            )
        model = models.get_model(settings.model, **{**config, "num_classes": num_classes})
        heads = {}
    else:
        model, own = _with_weights(settings, config)
        heads = {} if own == num_classes and not settings.features else models.replace_head(model, num_classes)
    if settings.features:
        models.freeze(model)
        models.unfreeze(model, *heads)
    if settings.freeze:
        models.freeze(model, *settings.freeze)
    return model


def _with_weights(settings: Any, config: dict[str, Any]) -> tuple[Any, int | None]:
    """The model with the weights of a file, and how many classes it has there."""
    from .. import models
    from ..io import load
    from ..models.weights import check_weights

    check_weights(settings.weights)
    state = load(settings.weights)
    info = noted(state)
    if info.get("model", settings.model) != settings.model:
        raise ValueError(f"--weights {settings.weights} is a trained {info['model']}, not a {settings.model}")
    model = models.get_model(settings.model, **{**info.get("model_args", {}), **config})
    models.load_weights(model, state)
    return model, getattr(model, "num_classes", None)


def _address(model: str) -> str:
    from .. import models

    address = models.weights_address(model)
    return f", such as {address}" if address else ""


def build_optimizer(settings: Any, model: Any) -> Any:
    """The optimiser of all parameters that learn."""
    from .. import optim

    kinds = {kind.lower(): kind for kind in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta")}
    options = {"lr": OPTIMIZERS[settings.optimizer] if settings.lr is None else settings.lr}
    momentum = settings.momentum
    if settings.optimizer == "sgd":
        options |= {"momentum": 0.9 if momentum is None else momentum, "nesterov": settings.nesterov}
    elif settings.optimizer == "rmsprop" and momentum is not None:
        options["momentum"] = momentum
    elif momentum is not None or settings.nesterov:
        raise ValueError(f"--optimizer {settings.optimizer} has no --momentum and no --nesterov. Fix: --optimizer sgd")
    if settings.weight_decay is not None:
        options["weight_decay"] = settings.weight_decay
    learning = [p for p in model.parameters() if p.requires_grad]
    if not learning:
        raise ValueError("--freeze leaves nothing to learn. Fix: fewer layers")
    return getattr(optim, kinds[settings.optimizer])(learning, **options)


def build_schedule(settings: Any, optimizer: Any, batches: int) -> Any:
    """The schedule of the learning rate with its warm-up, or None."""
    from ..optim import lr_scheduler
    from ..train import LRSchedule

    steps = settings.epochs * -(-batches // settings.accumulate)
    gamma = settings.lr_gamma if settings.lr_gamma is not None else 0.1
    if settings.schedule == "multistep" and not settings.lr_milestones:
        raise ValueError("--schedule multistep needs --lr-milestones, such as --lr-milestones 30 60")
    makers: dict[str, Any] = {
        "constant": lambda: None,
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps),
        "step": lambda: lr_scheduler.StepLR(optimizer, settings.lr_step, gamma),
        "multistep": lambda: lr_scheduler.MultiStepLR(optimizer, settings.lr_milestones, gamma),
        "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, settings.lr_gamma or 0.95),
        "onecycle": lambda: lr_scheduler.OneCycleLR(optimizer, optimizer.param_groups[0]["lr"], total_steps=steps),
        "plateau": lambda: lr_scheduler.ReduceLROnPlateau(optimizer, "min", gamma),
    }
    scheduler = makers[settings.schedule]()
    if scheduler is None and not settings.warmup:
        return None
    every = "step" if settings.schedule in ("cosine", "onecycle") else "epoch"
    return LRSchedule(scheduler, every=every, warmup=settings.warmup)  # type: ignore[arg-type]


def build_callbacks(settings: Any, num_classes: int, overwrite: bool, info: dict[str, Any]) -> list[Any]:
    """What else happens: checkpoints, logs, stopping, mixing."""
    from .. import train

    folder = settings.output
    found: list[Any] = [
        train.ModelCheckpoint(
            folder,
            settings.monitor,
            every_steps=settings.every_steps,
            keep=settings.keep,
            overwrite=overwrite,
            info=info,
        ),
        train.CSVLogger(f"{folder}/history.csv"),
    ]
    if settings.mixup or settings.cutmix:
        found.append(train.BatchTransform(_mixing(settings, num_classes)))
    if settings.clip_norm or settings.clip_value:
        found.append(train.ClipGradients(settings.clip_norm, settings.clip_value))
    if settings.ema is not None:
        found.append(train.EMA(settings.ema))
    if settings.early_stopping:
        found.append(train.EarlyStopping(settings.monitor, settings.early_stopping))
    if settings.time_limit:
        found.append(train.TimeLimit(minutes=settings.time_limit))
    if settings.terminate_on_nan:
        found.append(train.TerminateOnNaN())
    if settings.tensorboard:
        found.append(train.TensorBoard(f"{folder}/tensorboard"))
    return found


def _mixing(settings: Any, num_classes: int) -> Any:
    """MixUp, CutMix, or for each batch one of both."""
    from ..data import sample_rng, transforms

    kinds: list[Any] = []
    if settings.mixup:
        kinds.append(transforms.MixUp(alpha=settings.mixup, num_classes=num_classes))
    if settings.cutmix:
        kinds.append(transforms.CutMix(alpha=settings.cutmix, num_classes=num_classes))
    return lambda inputs, targets: kinds[int(sample_rng().integers(len(kinds)))](inputs, targets)
