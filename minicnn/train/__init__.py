"""Training: the loop (:func:`fit`), what is measured, what happens beside it, and checkpoints that continue exactly.

>>> import minicnn
>>> from minicnn import nn, optim, train
>>> model = nn.Linear(2, 2)
>>> batches = [(minicnn.ones(4, 2), minicnn.tensor([0, 1, 1, 1]))]
>>> history = train.fit(model, batches, optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=3)
>>> len(history["loss"])
3
"""

from .callbacks import (
    EMA,
    BatchTransform,
    Callback,
    ClipGradients,
    CSVLogger,
    EarlyStopping,
    JSONLLogger,
    LRSchedule,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
    TimeLimit,
    get_callback,
    list_callbacks,
)
from .errors import NonFiniteError, ResumeError, TrainingWarning
from .evaluation import evaluate, predict
from .fitting import fit
from .history import History
from .loop import Run
from .metrics import (
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanIoU,
    Metric,
    Precision,
    Recall,
    TopKAccuracy,
    get_metric,
    list_metrics,
)
from .rate_finder import LRFindResult, lr_find

__all__ = [
    "EMA",
    "Accuracy",
    "BatchTransform",
    "CSVLogger",
    "Callback",
    "ClipGradients",
    "ConfusionMatrix",
    "EarlyStopping",
    "F1Score",
    "History",
    "JSONLLogger",
    "LRFindResult",
    "LRSchedule",
    "MeanIoU",
    "Metric",
    "ModelCheckpoint",
    "NonFiniteError",
    "Precision",
    "Recall",
    "ReduceLROnPlateau",
    "ResumeError",
    "Run",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
    "TopKAccuracy",
    "TrainingWarning",
    "evaluate",
    "fit",
    "get_callback",
    "get_metric",
    "list_callbacks",
    "list_metrics",
    "lr_find",
    "predict",
]
