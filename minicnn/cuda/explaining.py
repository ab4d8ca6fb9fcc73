"""Why something cannot be part of a CUDA graph, in words that name the line of the program."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from ..core.errors import CaptureError

_PACKAGES = ("minicnn", "minicnn_kernels", "cupy", "numpy")
_SAYS = ("is capturing", "cudaErrorStreamCapture", "during stream capture", "cannot record a copy")
_LOOKS = {
    "__bool__": "the truth of a tensor (if, while, and, or)",
    "__float__": "float(x)",
    "__format__": "a tensor in a text",
    "__index__": "an index that is a tensor",
    "__int__": "int(x)",
    "__repr__": "printing a tensor",
    "cpu": "cpu()",
    "item": "item()",
    "numpy": "numpy()",
    "tolist": "tolist()",
}
_COPIES = ("placed", "send", "finish", "check_may_send")


def explained(error: Exception) -> CaptureError | None:
    """What to raise for an error in a capture; None if it has another cause."""
    if not any(text in str(error) for text in _SAYS):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [i for i, frame in enumerate(frames) if not _ours(frame.filename)]
    line = frames[theirs[-1]] if theirs else frames[0]
    called = [frame.name for frame in frames[theirs[-1] + 1 :]] if theirs else []
    looks = next((_LOOKS[name] for name in called if name in _LOOKS), None)
    copies = f"{called[0]}()" if any(name in _COPIES for name in called) else None
    if looks is not None:
        what = f"{looks} needs a number that does not exist yet, for nothing runs before the replay"
        fix = "return the tensor from the step, and look at it after the replay"
    elif copies is not None:
        what = f"{copies} copies from the CPU, which would happen now, and not in the replays"
        fix = "make the tensor before the capture, or on the GPU (device='cuda'), or give it to the step as an argument"
    else:
        what = "this waits for the GPU, or has a result whose size depends on numbers (nonzero, unique, x[mask])"
        fix = "leave it out of the step; torch.where(mask, x, 0) has a size that is known"
    said = "" if isinstance(error, CaptureError) else f" (CUDA says: {error})"
    return CaptureError(
        f"a CUDA graph cannot record {Path(line.filename).name}, line {line.lineno}: {line.line}\n"
        f"  {what}. Fix: {fix}.{said}"
    )


def broken(error: Exception) -> CaptureError:
    """What to raise for an error of CUDA at the end of a capture."""
    if "Unjoined" in str(error):
        what = "another stream took part in the capture, and this one does not wait for it"
        fix = "torch.cuda.current_stream().wait_stream(side) at the end of the captured work"
    else:
        what = "something in it failed, such as synchronize(), and the program went on after the error"
        fix = "leave it out of the captured work, also where try: ... except: would catch its error"
    return CaptureError(f"the capture of a CUDA graph cannot be completed: {what}. Fix: {fix}. (CUDA says: {error})")


def _ours(filename: str) -> bool:
    """Whether a file is a part of this package, or of those that it computes with."""
    folders = (Path(sys.modules[name].__file__ or "").parent for name in _PACKAGES if name in sys.modules)
    return any(folder in Path(filename).parents for folder in folders)
