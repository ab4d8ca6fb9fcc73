"""Exercises: a class writes the kernels itself, and has them tested, timed, and trained with.

>>> import minicnn
>>> import numpy as np
>>> @minicnn.exercise("relu.grad")
... def relu_grad(grad_y, y):
...     return np.where(y > 0, grad_y, 0).astype(grad_y.dtype)
>>> print(relu_grad.check())
relu.grad: all 40 cases are right.
"""

from .answer import Answer, exercise
from .judge import Problem
from .tasks import Task, exercises
from .timing import Timing
from .training import Training
from .verdict import Verdict

__all__ = ["Answer", "Problem", "Task", "Timing", "Training", "Verdict", "exercise", "exercises"]
