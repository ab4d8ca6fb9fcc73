"""The examples of the CUDA executor need g++: without it they are left out, unless MINICNN_REQUIRE_DATA=1."""

import os
import shutil

if shutil.which("g++") is None and os.environ.get("MINICNN_REQUIRE_DATA") != "1":
    collect_ignore = ["minicnn_kernels/cuda/on_cpu"]
