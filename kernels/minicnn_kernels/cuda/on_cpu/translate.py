"""From CUDA C to C++: the few things that a header cannot do.

``__shared__`` declarations become references into memory that the runtime owns, so that it can fill it with NaN
and watch it; and every kernel gets a function that takes its arguments as an array of pointers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..signature import Signature

MEETS = re.compile(r"\b(__syncthreads\w*|__syncwarp|__shfl\w*_sync|__ballot_sync|__any_sync|__all_sync|warp_mma\w*)\b")
_DECLARATION = re.compile(r"((?:(?:const|volatile|unsigned|signed|long)\s+)*[\w:]+(?:<[^>]*>)?)\s+(.*)", re.S)


def without_comments(source: str) -> str:
    """Blank the comments, at the same length, so that places and lines stay."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), source, flags=re.S)


def needs_fibers(source: str) -> bool:
    """Whether threads of this source wait for each other."""
    return MEETS.search(source) is not None


def _shared(match: re.Match[str]) -> str:
    dynamic, text = match.groups()
    kind, declarators = _DECLARATION.match(re.sub(r"(__align__|alignas)\s*\([^)]*\)\s*", "", text)).groups()  # type: ignore[union-attr]
    code = []
    for declarator in re.split(r",(?![^\[]*\])", declarators):
        name, sizes = re.match(r"\s*(\w+)\s*(.*)", declarator, re.S).groups()  # type: ignore[union-attr]
        if dynamic:
            code.append(f"{kind}* {name} = ({kind}*)cuda_cpu::dynamic_shared();")
        else:
            code.append(
                f"static const size_t {name}__at = "
                f'cuda_cpu::shared_slot("{name}", cuda_cpu::type<{kind}>(), sizeof({kind}{sizes}), sizeof({kind})); '
                f"{kind} (&{name}){sizes} = *({kind} (*){sizes})cuda_cpu::slot_at({name}__at);"
            )
    return " ".join(code)


def to_cpp(source: str, kernels: Sequence[Signature], file: str) -> str:
    """Return what g++ compiles, with the line numbers of the source."""
    body = re.sub(r"(extern\s+)?\b__shared__\s+([^;]+);", _shared, without_comments(source))
    calls = []
    for number, kernel in enumerate(kernels):
        types = [p.ctype for p in kernel.parameters]
        values = ", ".join(f"*({kind}*)a[{i}]" for i, kind in enumerate(types))
        calls.append(
            f"static_assert(__is_same(decltype(&{kernel.name}), "
            f'void (*)({", ".join(types)})), "the declaration of {kernel.name} was not understood");\n'
            f'extern "C" CUDA_CPU_ENTRY void cuda_cpu_kernel_{number}(void** a) '
            f"{{ {kernel.name}({values}); }}\n"
        )
    return f'#include "cuda_cpu.h"\n#line 1 "{file}"\n{body}\n{"".join(calls)}'
