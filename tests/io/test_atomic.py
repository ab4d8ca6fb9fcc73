"""A file is the old one or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn.io
from minicnn.core import from_numpy
from minicnn.io import atomic_write, load, save

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and signals of POSIX")


def test_an_exception_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def interrupted():
        with atomic_write(path) as file:
            file.write(b"half of the ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_no_file_where_none_was(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "f"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch, suffix, call):
    path = tmp_path / f"c{suffix}"
    save({"w": from_numpy(np.zeros(3))}, path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        save({"w": from_numpy(np.ones(3))}, path)
    monkeypatch.undo()
    np.testing.assert_array_equal(load(path)["w"].numpy(), np.zeros(3))
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_disk_that_really_is_full(tmp_path: Path):
    """The kernel refuses to let the file grow beyond a limit, in the middle of an array."""
    program = f"""
import resource, signal
import numpy as np
from minicnn.io import load, save
path = {str(tmp_path / "c.pt")!r}
save({{"w": np.zeros(3)}}, path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save({{"w": np.ones(10**6)}}, path)
except OSError as error:
    print("refused", load(path)["w"].sum())
"""
    done = _run(program)
    assert done.stdout == "refused 0.0\n", done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


@posix
def test_a_process_killed_while_it_writes_leaves_the_old_checkpoint(tmp_path: Path):
    program = f"""
import os, signal
import numpy as np
import minicnn.io.npy
from minicnn.io import save
path = {str(tmp_path / "c.pt")!r}
save({{"w": np.zeros(3)}}, path)
write = minicnn.io.npy.write_npy
def killed(file, array):
    write(file, array)
    if array.size == 1001:
        os.kill(os.getpid(), signal.SIGKILL)
minicnn.io.native.write_npy = killed
save([np.ones(n) for n in range(1000, 1010)], path)
"""
    done = _run(program)
    assert done.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(load(tmp_path / "c.pt")["w"], np.zeros(3))
    assert len(list(tmp_path.glob(".c.pt.*.tmp"))) == 1


def _run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that imports minicnn from where this one did."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


@posix
def test_permissions(tmp_path: Path):
    path = tmp_path / "f"
    before = os.umask(0o027)
    try:
        with atomic_write(path) as file:
            file.write(b"1")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640  # as open() would have made it
    path.chmod(0o604)
    with atomic_write(path) as file:
        file.write(b"2")
    assert path.stat().st_mode & 0o777 == 0o604  # kept


@posix
def test_a_symbolic_link_is_followed(tmp_path: Path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_places_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(IsADirectoryError, match="is a directory"), atomic_write(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match="does not exist; make it first"), atomic_write(tmp_path / "no" / "f"):
        pass
    with pytest.raises(OSError, match="is a device or a pipe"), atomic_write(os.devnull):
        pass


def test_long_names(tmp_path: Path):
    path = tmp_path / ("x" * 250)
    with atomic_write(path) as file:
        file.write(b"1")
    assert path.read_bytes() == b"1"


def test_save_goes_through_atomic_write(tmp_path: Path, monkeypatch):
    seen = []

    def spy(path):
        seen.append(Path(path).name)
        return atomic_write(path)

    monkeypatch.setattr(minicnn.io.checkpoint, "atomic_write", spy)
    for name in ("a.pt", "b.npz", "c.safetensors", "d"):
        save({"w": from_numpy(np.zeros(1))}, tmp_path / name)
    assert seen == ["a.pt", "b.npz", "c.safetensors", "d"]
