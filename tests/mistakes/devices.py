"""Backends, devices and threads."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("unknown backend", "torch.use_backend('fast')", ValueError, ("fast", "numba")),
    Mistake("no GPU here", "torch.zeros(2).to('cuda')", ValueError, ("cuda", "cpu")),
    Mistake("device that does not exist", "torch.device('gpu')", ValueError, ("gpu", "cuda")),
    Mistake("threads", "torch.set_num_threads(0)", ValueError, ("0",)),
]  # fmt: skip
