"""Every name of the public face exists, is PyTorch's, takes PyTorch's arguments, is documented, and is tested."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.data

import minicnn

from .api import OURS, TORCH

ROOT = Path(__file__).resolve().parents[2]


def part(library: Any, path: str) -> Any:
    """The module or class at a path such as ``nn.functional``."""
    found = library
    for name in path.split(".") if path else ():
        found = getattr(found, name)
    return found


def names(table: dict[str, str], *paths: str) -> list[tuple[str, str]]:
    return [(path, name) for path in paths or table for name in table[path].split()]


@pytest.mark.parametrize("path", TORCH)
def test_every_name_exists_here_and_in_pytorch(path: str) -> None:
    missing = [
        (library.__name__, name)
        for library in (minicnn, torch)
        for name in TORCH[path].split()
        if not hasattr(part(library, path), name)
    ]
    assert not missing


def test_our_own_names_exist() -> None:
    assert not [(path, name) for path, name in names(OURS) if not hasattr(part(minicnn, path), name)]


OF_IMAGES = ("transforms", "transforms.functional", "transforms.presets", "datasets")


def test_no_name_of_a_part_is_forgotten_in_the_table() -> None:
    for path in ("nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "autograd", *OF_IMAGES):
        listed = set(TORCH.get(path, "").split()) | set(OURS.get(path, "").split()) | {"StateDictError"}
        assert not set(part(minicnn, path).__all__) - listed, path


# ------------------------------------------------------------------ arguments

# What PyTorch's signature has and ours leaves out (giving it is a TypeError), or has differently.
DIFFERENT = {
    "compile": "functions, decorating; name, recompile_limit, isolate_recompiles, shapes_spec",
    "save": "of the format, which is our own",
    "load": "of pickle, which is not used",
    "dtype": "made by nobody there",
    "from_dlpack": "device, copy",
    "meshgrid": "indexing=None there, which warns and means 'ij'",
    "norm": "out",
    "no_grad": "also used without brackets, as a decorator",
    "enable_grad": "also used without brackets, as a decorator",
    "nn.Module": "any arguments there",
    "nn.LogSigmoid": "any arguments there",
    "nn.Sigmoid": "any arguments there",
    "nn.Softmax2d": "any arguments there",
    "nn.Tanh": "any arguments there",
    "nn.Module.forward": "any arguments",
    "nn.Module.__call__": "any arguments",
    "nn.Module.state_dict": "old positional form",
    "nn.Module.register_forward_hook": "always_call",
    "nn.functional.softmax": "_stacklevel",
    "nn.functional.log_softmax": "_stacklevel",
    "nn.functional.normalize": "out",
    "utils.data.DataLoader": "pin_memory_device, in_order; ours: worker_mode",
    "utils.data.random_split": "the default generator is looked up when called",
    "utils.data.default_convert": "sample for data",
    "autograd.no_grad": "as above",
    "autograd.enable_grad": "as above",
    "autograd.Variable": "a class there",
    "autograd.backward": "grad_variables",
    "autograd.grad": "is_grads_batched",
    "autograd.gradcheck": "options of complex numbers and of forward mode; ours: seed",
    "autograd.gradgradcheck": "options of complex numbers; ours: seed",
    "autograd.detect_anomaly": "check_nan",
    "autograd.set_detect_anomaly": "check_nan",
}


def parameters(function: Any) -> list[tuple[str, Any]] | None:
    """Names and defaults, or None where Python cannot tell."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if found and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        return None
    return [(p.name, str(p.default).replace("minicnn.", "torch.")) for p in found]


def signatures() -> Iterator[tuple[str, Any, Any]]:
    for path, name in names(TORCH):
        where = f"{path}.{name}".removeprefix(".")
        ours, theirs = getattr(part(minicnn, path), name), getattr(part(torch, path), name)
        if callable(theirs) and where not in DIFFERENT and (path != "Tensor" or name in vars(minicnn.Tensor)):
            yield where, ours, theirs


def test_signatures_are_those_of_pytorch() -> None:
    compared, wrong = 0, []
    for where, ours, theirs in signatures():
        if where.startswith(("Tensor.", "nn.Sequential.", "nn.ModuleList.", "nn.ModuleDict.")) or "__" in where:
            continue  # methods: below
        if (expected := parameters(theirs)) is None:
            continue
        compared += 1
        if parameters(ours) != expected:
            wrong.append((where, parameters(ours), expected))
    assert not wrong
    assert compared > 150


# In PyTorch's documentation, but of no use here; giving them is a TypeError.
OF_NO_USE = {
    *("out", "layout", "pin_memory", "memory_format", "out_dtype", "sparse_grad", "output_size", "generator"),
    *("size", "dims", "shape"),  # also given one by one
}
OTHERWISE = {  # several forms, of which the documentation shows one, or names there that PyTorch itself does not take
    "from_numpy", "normal", "max", "min", "pow", "set_num_threads", "randperm", "asarray", "repeat_interleave",
    "var", "std", "Tensor.var", "Tensor.std", "Tensor.type", "Tensor.type_as", "Tensor.view", "Tensor.random_",
    "Tensor.uniform_", "Tensor.where", "Tensor.mul", "Tensor.div", "Tensor.remainder", "Tensor.fmod", "Tensor.matmul",
    "Tensor.floor_divide", "Tensor.bmm", "Tensor.dot", "Tensor.narrow", "Tensor.take",
}  # fmt: skip


def documented(function: Any, name: str) -> list[str]:
    """The arguments in the first line of PyTorch's documentation of a built-in function."""
    found = re.search(rf"^\s*{re.escape(name)}\(([^()]*(?:\([^()]*\)[^()]*)*)\)", function.__doc__ or "", flags=re.M)
    text = re.sub(r"\[[^\]]*\]", "", found.group(1)) if found else ""
    listed = [re.split(r"[:=]", argument)[0].strip() for argument in text.split(",")]
    return [a for a in listed if a.isidentifier() and a not in OF_NO_USE]


def test_builtin_functions_take_the_documented_arguments_in_that_order() -> None:
    compared, wrong = 0, []
    for where, ours, theirs in signatures():
        if parameters(theirs) is not None or where in OTHERWISE or "__" in where:
            continue
        mine = [name for name, _ in parameters(ours) or [("options", "")]]
        if "options" in mine:
            continue  # in-place forms take what the operation takes
        expected = documented(theirs, where.rpartition(".")[2])
        compared += bool(expected)
        if [a for a in mine if a in expected] != expected:
            wrong.append((where, mine, expected))
    assert not wrong
    assert compared > 150


# ------------------------------------------------------------ tested, documented


def test_every_name_is_used_by_another_test() -> None:
    here = Path(__file__).parent
    tests = [p for p in (ROOT / "tests").rglob("*.*") if p.suffix in (".py", ".txt") and p.parent != here]
    sources = [*tests, *(ROOT / "minicnn").rglob("*.py")]
    text = {p: p.read_text() for p in sources}
    used = set(re.findall(r"\w+", "\n".join(text[p] for p in tests)))
    examples = set(
        re.findall(r"\w+", "\n".join(re.findall(r"^ *(?:>>>|\.\.\.) (.*)$", "\n".join(text.values()), re.M)))
    )
    listed = {name for _, name in names(TORCH) + names(OURS) if not name.startswith("__")}
    assert not sorted(listed - used - examples)


# ------------------------------------------------------------------- the parts


def test_every_part_is_reached_by_import_and_by_attribute() -> None:
    for _, name, _ in pkgutil.iter_modules(minicnn.__path__):
        if name not in ("config", "cli", "warmup", "explaining", "__main__"):  # what the command line runs
            assert getattr(minicnn, name) is importlib.import_module(f"minicnn.{name}")


def test_second_names_are_the_same_modules() -> None:
    for second, first in (
        ("minicnn.datasets", "minicnn.data.datasets"),
        ("minicnn.datasets.mnist", "minicnn.data.datasets.mnist"),
        ("minicnn.transforms", "minicnn.data.transforms"),
        ("minicnn.transforms.functional", "minicnn.data.transforms.functional"),
        ("minicnn.utils.data", "minicnn.data"),
        ("minicnn.utils.data.sampler", "minicnn.data.sampler"),
        ("minicnn.utils.data.dataset", "minicnn.data.dataset"),
        ("minicnn.utils.data.dataloader", "minicnn.data.loader"),
        ("minicnn.kernels.reference", "minicnn_kernels.reference"),
        ("minicnn.kernels.vectorized.conv", "minicnn_kernels.vectorized.conv"),
        ("minicnn.kernels.geometry", "minicnn_kernels.geometry"),
    ):
        assert importlib.import_module(second) is importlib.import_module(first)
    assert minicnn.kernels.numba_cpu is importlib.import_module("minicnn_kernels.numba_cpu")
    assert minicnn.kernels.call is importlib.import_module("minicnn_kernels").call
    with pytest.raises(AttributeError, match="no attribute 'cuda'"):
        minicnn.kernels.cuda  # noqa: B018


@pytest.mark.parametrize(
    ("path", "name", "says"),
    [
        ("", "jit", "minicnn.compile"),
        ("", "linalg", "numpy.linalg"),
        ("", "bfloat16", "float16"),
        ("", "complex64", "left"),
        ("nn", "Conv3d", "volumes"),
        ("nn", "LSTM", "recurrent"),
        ("nn", "DataParallel", "one device"),
        ("nn.functional", "gelu", "SiLU"),
        ("optim", "LBFGS", "Adam"),
        ("cuda", "amp", "precision of the tensors"),
        ("autograd", "functional", "autograd.grad"),
        ("models", "ResNet18_Weights", "by path"),
    ],
)
def test_what_is_left_out_says_so(path: str, name: str, says: str) -> None:
    module = part(minicnn, path)
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}': PyTorch has it, minicnn leaves it out; .*{says}"):
        getattr(module, name)


@pytest.mark.parametrize(
    ("path", "name", "says"),
    [
        ("models", "efficientnet_b0", "does not have it yet"),
        ("models", "segmentation", "does not have it yet"),
        ("models", "resnet19", "Did you mean 'resnet1"),
        ("transforms", "RandomPerspective", "does not have it yet"),
        ("transforms", "v2", "does not have it yet"),
        ("datasets", "SVHN", "does not have it yet"),
    ],
)
def test_parts_of_torchvision_that_are_not_there_say_so(path: str, name: str, says: str) -> None:
    module = part(minicnn, path)
    assert not hasattr(module, name)
    with pytest.raises(AttributeError, match=f"no attribute '{name}'.*{says}"):
        getattr(module, name)


def test_a_misspelt_name_is_only_unknown() -> None:
    with pytest.raises(AttributeError, match=r"module 'minicnn' has no attribute 'tenosr'$") as caught:
        minicnn.tenosr  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("tenosr", minicnn)  # so that Python can say "did you mean"


# -------------------------------------------------------------------- backends


def test_the_backend_is_switched_by_a_call_a_block_and_the_environment() -> None:
    before = minicnn.active_backend()
    with minicnn.use_backend("reference"):
        assert minicnn.active_backend() == "reference"
        with minicnn.use_backend("numpy"):
            assert minicnn.active_backend() == "numpy"
        assert minicnn.active_backend() == "reference"
    assert minicnn.active_backend() == before
    minicnn.use_backend("numpy")
    try:
        assert minicnn.active_backend() == "numpy"
    finally:
        minicnn.use_backend(before)
    environment = {**os.environ, "MINICNN_BACKEND": "numpy", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}"}
    code = "import minicnn; print(minicnn.active_backend()); minicnn.show_config()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith("numpy\nminicnn ")
    for said in ("Python 3", "numpy", "numba", "threads: ", "reference", "kernels, active", "cupy", "not available: "):
        assert said in done.stdout
