"""Downloads from a server on this machine: mirrors, interruptions, wrong files, and no network at all."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minicnn.data import DownloadError
from minicnn.data.datasets import MNIST, STL10, CorruptDataError
from minicnn.data.download import download
from minicnn.data.files import OfficialFile

from .test_datasets import SmallCIFAR10, idx, write_cifar
from .test_more_datasets import SmallCIFAR100, write_cifar100, write_stl10

CONTENT = np.random.default_rng(0).bytes(1_000_000)


def official(content: bytes, name: str = "data.bin") -> OfficialFile:
    return OfficialFile(name, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))


class Server:
    """Serves ``files`` by path; ``/cut/`` breaks off after 300,000 bytes, ``/plain/`` knows no ranges."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                content = server.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and "plain" not in self.path else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start:300_000] if "cut" in self.path else content[start:])

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def dead_mirror() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_a_file_arrives_whole_and_without_traces(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = CONTENT
    path = download(official(CONTENT), [server.url], tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "data.bin"
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["data.bin"]
    assert server.requests == [("/data.bin", None)]


def test_the_next_mirror_helps(server: Server, tmp_path: Path) -> None:
    server.files["/b/data.bin"] = CONTENT
    mirrors = [dead_mirror(), server.url + "a/", server.url + "b/"]
    assert download(official(CONTENT), mirrors, tmp_path).read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/cut/data.bin"] = server.files["/whole/data.bin"] = CONTENT
    with pytest.raises(DownloadError, match=r"truncated|IncompleteRead"):
        download(official(CONTENT), [server.url + "cut/"], tmp_path)
    assert (tmp_path / "data.bin.part").stat().st_size == 300_000
    assert not (tmp_path / "data.bin").exists()
    assert download(official(CONTENT), [server.url + "whole/"], tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == ("/whole/data.bin", "bytes=300000-")


def test_a_mirror_takes_over_in_the_middle(server: Server, tmp_path: Path) -> None:
    server.files["/cut/data.bin"] = server.files["/plain/data.bin"] = CONTENT
    mirrors = [server.url + "cut/", server.url + "plain/"]  # the second one ignores ranges and sends all
    assert download(official(CONTENT), mirrors, tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/data.bin"] = bytes(len(CONTENT))
    with pytest.raises(DownloadError, match=r"wrong checksum: MD5 [0-9a-f]{32}, expected [0-9a-f]{32}"):
        download(official(CONTENT), [server.url], tmp_path)
    server.files["/data.bin"] = CONTENT + b"more"
    with pytest.raises(DownloadError, match="too long"):
        download(official(CONTENT), [server.url], tmp_path)
    server.files["/data.bin"] = b"<html>Please log in</html>"
    with pytest.raises(DownloadError, match="truncated: 26 bytes of 1000000"):
        download(official(CONTENT), [server.url], tmp_path)
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.parametrize("size", [1000, len(CONTENT), len(CONTENT) + 1])
def test_what_an_earlier_try_left_wrong_is_fetched_anew(server: Server, tmp_path: Path, size: int) -> None:
    server.files["/data.bin"] = CONTENT
    (tmp_path / "data.bin.part").write_bytes(bytes(size))
    assert download(official(CONTENT), [server.url], tmp_path).read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["data.bin"]


def test_a_complete_part_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert download(official(CONTENT), [dead_mirror()], tmp_path).read_bytes() == CONTENT


def test_offline_one_sentence_says_it_all(tmp_path: Path) -> None:
    first, second = dead_mirror(), "http://127.0.0.1:1/mnist/"
    with pytest.raises(OSError, match=r"cannot download data\.bin") as caught:
        download(official(CONTENT), [first, second], tmp_path)
    message = str(caught.value)
    assert isinstance(caught.value, DownloadError)
    assert f"{first}data.bin (" in message
    assert "refused" in message.lower()
    assert f"{second}data.bin (" in message
    assert f"put it into {tmp_path}" in message
    assert "\n" not in message


def test_mnist_is_downloaded_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    contents = {
        "train-images-idx3-ubyte.gz": idx(np.zeros((3, 28, 28))),
        "train-labels-idx1-ubyte.gz": idx(np.arange(3)),
        "t10k-images-idx3-ubyte.gz": idx(np.zeros((2, 28, 28))),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(2)),
    }
    packed = {name: gzip.compress(content) for name, content in contents.items()}
    server.files.update({f"/{name}": content for name, content in packed.items()})

    class Local(MNIST):
        mirrors = (server.url,)
        resources = tuple(official(content, name) for name, content in packed.items())

    assert len(Local(tmp_path / "root", download=True)) == 3
    assert sorted(path.name for path in (tmp_path / "root" / "MNIST" / "raw").iterdir()) == sorted(contents)
    assert len(server.requests) == 4
    assert len(Local(tmp_path / "root", train=False, download=True)) == 2
    (tmp_path / "root" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    Local(tmp_path / "root", train=False, download=True)
    assert len(server.requests) == 5
    Local(download=True)
    assert (tmp_path / "cache" / "minicnn" / "MNIST" / "raw").is_dir()


def archive_of(folder: Path, name: str) -> bytes:
    """The files of a folder as a tar archive with a folder of that name, and one that wants to be elsewhere."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../stray.txt"))
        for path in folder.iterdir():
            tar.add(path, f"{name}/{path.name}")
    return buffer.getvalue()


@pytest.fixture
def _only_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_only_here")
def test_cifar10_is_downloaded_and_unpacked(server: Server, tmp_path: Path) -> None:
    _, labels = write_cifar(tmp_path / "source", binary=True)
    content = server.files["/cifar.tar.gz"] = archive_of(tmp_path / "source", "cifar-10-batches-bin")

    class Local(SmallCIFAR10):
        mirrors = (server.url,)
        archive = official(content, "cifar.tar.gz")

    assert Local(tmp_path / "root", download=True).targets == labels[:20].tolist()
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["cifar-10-batches-bin"]
    assert len(list((tmp_path / "root" / "cifar-10-batches-bin").iterdir())) == 6
    assert Local(tmp_path / "root", train=False, download=True).targets == labels[20:].tolist()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("_only_here")
def test_cifar100_is_downloaded_and_unpacked(server: Server, tmp_path: Path) -> None:
    _, _, fine = write_cifar100(tmp_path / "source", binary=True)
    content = server.files["/cifar.tar.gz"] = archive_of(tmp_path / "source", "cifar-100-binary")

    class Local(SmallCIFAR100):
        mirrors = (server.url,)
        archive = official(content, "cifar.tar.gz")

    assert Local(tmp_path / "root", train=False, download=True).targets == fine[10:].tolist()
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["cifar-100-binary"]
    assert Local(download=False, root=tmp_path / "root").targets == fine[:10].tolist()


@pytest.mark.usefixtures("_only_here")
def test_stl10_is_downloaded_and_unpacked(server: Server, tmp_path: Path) -> None:
    images = write_stl10(tmp_path / "source")
    content = server.files["/stl10.tar.gz"] = archive_of(tmp_path / "source", "stl10_binary")

    class Local(STL10):
        mirrors = (server.url,)
        archive = official(content, "stl10.tar.gz")

    np.testing.assert_array_equal(Local(tmp_path / "root", "test", download=True).data, images["test"])
    assert len(Local(tmp_path / "root", "unlabeled", download=True)) == 3
    assert len(server.requests) == 1
    (tmp_path / "source" / "test_y.bin").unlink()
    content = server.files["/stl10.tar.gz"] = archive_of(tmp_path / "source", "stl10_binary")
    Local.archive = official(content, "stl10.tar.gz")
    with pytest.raises(CorruptDataError, match=r"stl10\.tar\.gz: lacks stl10_binary/test_y\.bin"):
        Local(tmp_path / "other", download=True)
