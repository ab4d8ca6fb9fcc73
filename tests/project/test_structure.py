"""Who may import whom, and what the source must not contain."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    "numba",
    "llvmlite",
    "cupy",
    "matplotlib",
    "PIL",
    "torch",
    "mpi4py",
    "tqdm",
    "safetensors",
    "sklearn",
    "onnx",
    "onnxruntime",
    "scipy",
    "tensorboardX",
}

# A room sees itself and the rooms named here, and nothing else of this project.
ROOMS: dict[str, set[str]] = {
    "minicnn_kernels": set(),
    "backends": {"minicnn_kernels"},
    "core": {"minicnn_kernels"},
    "ops": {"minicnn_kernels", "core"},
    "nn": {"minicnn_kernels", "core", "ops"},
    "models": {"core", "ops", "nn", "io", "onnx"},
    "explain": {"minicnn_kernels", "core", "ops", "nn", "io"},
    "lessons": {"minicnn_kernels", "core", "ops", "nn", "optim", "data", "explain"},
    "onnx": {"core", "ops", "nn", "io"},
    "compiling": {"minicnn_kernels", "core", "ops", "nn", "onnx"},
    "optim": {"minicnn_kernels", "core"},
    "data": {"core"},
    "io": {"core"},
    "utils": {"core", "data"},
    "cuda": {"minicnn_kernels", "core"},
    "train": {"core", "ops", "nn", "optim", "data", "io", "cuda"},
}


def _sources() -> list[tuple[str, str, Path]]:
    """(room, dotted module name, file) of every library file inside a room."""
    found = []
    for room in ROOMS:
        base = ROOT / "kernels" if room == "minicnn_kernels" else ROOT
        folder = base / room if room == "minicnn_kernels" else base / "minicnn" / room
        for path in sorted(folder.rglob("*.py")):
            found.append((room, ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__"), path))
    return found


SOURCES = _sources()


def _imports(module: str, path: Path) -> list[tuple[str, bool]]:
    """(absolute name, at import time?) of everything a file imports."""
    tree = ast.parse(path.read_text())
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(alias.name, id(node) not in lazy) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")
            parent = parent[: len(parent) - node.level + 1] if node.level else []
            base = ".".join([*parent, *([node.module] if node.module else [])])
            names += [
                (f"{base}.{alias.name}" if base == "minicnn" else base, id(node) not in lazy) for alias in node.names
            ]
    return names


@pytest.mark.parametrize(("room", "module", "path"), SOURCES, ids=[m for _, m, _ in SOURCES])
def test_a_room_imports_only_the_rooms_below_it(room: str, module: str, path: Path) -> None:
    for name, _ in _imports(module, path):
        parts = name.split(".")
        if parts[0] == "minicnn_kernels":
            other = "minicnn_kernels"
        elif parts[0] == "minicnn":
            other = parts[1] if len(parts) > 1 else "minicnn"
        else:
            continue
        assert other == room or other in ROOMS[room], f"{module} (room {room!r}) imports {name}"


@pytest.mark.parametrize(("room", "module", "path"), SOURCES, ids=[m for _, m, _ in SOURCES])
def test_heavy_packages_are_imported_inside_functions(room: str, module: str, path: Path) -> None:
    if module.startswith("minicnn_kernels.numba_cpu"):
        return  # loaded by the registry when its first kernel runs
    for name, at_import in _imports(module, path):
        assert not (at_import and name.split(".")[0] in HEAVY), f"{module} imports {name} at import time"


def test_torch_is_never_imported_by_the_library() -> None:
    for _, module, path in SOURCES:
        if module == "minicnn.explain.with_torch":
            continue  # the other side of a comparison, inside functions
        assert not [
            n for n, _ in _imports(module, path) if n.split(".")[0] in ("torch", "torchvision", "tensorflow")
        ], module


def _library_files() -> list[Path]:
    return sorted([*(ROOT / "minicnn").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])


def test_files_stay_short() -> None:
    long = {str(p.relative_to(ROOT)): n for p in _library_files() if (n := len(p.read_text().splitlines())) > 400}
    assert not long, f"split these by subject: {long}"


def test_no_stub_and_no_path_of_one_machine() -> None:
    for path in _library_files():
        text = path.read_text()
        assert "raise NotImplementedError" not in text, path
        assert not [w for w in ("TODO", "FIXME", "XXX") if w in text], path
        assert not [p for p in ("/" + "work/", "/" + "root/") if p in text], path
