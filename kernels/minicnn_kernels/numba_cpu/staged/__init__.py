"""Operations as stages (``minicnn_kernels/stages.py``): the tasks of the kernels around, cut once and run many times.

``launch.py`` runs them. The other files write down what the launchers of ``conv.py``, ``winograd/convolution.py`` ...
do in each call, with the same cuts, so that the numbers are the same.
"""

from . import convolution as convolution
from . import ends as ends
from . import planes as planes
