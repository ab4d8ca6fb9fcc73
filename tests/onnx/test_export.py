"""The arguments of export, and what it leaves alone."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest

import minicnn
from minicnn import models, nn
from minicnn.onnx import ExportError

from .common import Lambda, assert_close, draw, exported, graph_of, outputs_of, run

SHAPE = (2, 3, 8, 8)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(),
        nn.Linear(4 * 36, 5),
    )  # fmt: skip


class Pair(NamedTuple):
    logits: Any
    aux: Any


def dims(value: Any) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_names_and_shapes() -> None:
    graph = graph_of(exported(network(), SHAPE))
    assert [(i.name, dims(i)) for i in graph.input] == [("input", ["N", 3, 8, 8])]
    assert [(o.name, dims(o)) for o in graph.output] == [("output", ["N", 5])]
    assert [n.name for n in graph.node] == ["0/Conv", "1/BatchNormalization", "2/Relu", "4/Reshape", "5/Gemm"]
    assert [i.name for i in graph.initializer if "constant" not in i.name] == [
        "0.weight", "1.running_mean", "1.running_var", "1.weight", "1.bias", "5.weight", "5.bias",
    ]  # fmt: skip
    assert {v.name: dims(v) for v in graph.value_info}["2/Relu"] == ["N", 4, 6, 6]


def test_names_that_are_given() -> None:
    data = exported(
        network(), SHAPE, input_names=["image"], output_names=["logits"], dynamic_axes={"image": {0: "batch"}}
    )
    graph = graph_of(data)
    assert [(v.name, dims(v)[0]) for v in (*graph.input, *graph.output)] == [("image", "batch"), ("logits", "batch")]
    assert graph.node[-1].output == ["logits"]


def test_names_do_not_collide() -> None:
    """Also if a parameter or a layer is called like an input."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input = nn.Parameter(minicnn.ones(3))
            self.Mul = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.Mul(x * self.input), x * 2

    data = exported(Net(), (2, 3), output_names=["Mul/Relu", "Mul"])
    x = draw((4, 3))
    for got, expected in zip(run(data, x), outputs_of(Net(), x), strict=True):
        assert_close(got, expected)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: x + 1, ["output"]),
        (lambda x: [x + 1], ["output"]),
        (lambda x: (x + 1, x + 2), ["output_0", "output_1"]),
        (lambda x: {"logits": x + 1, "aux": [x + 2, None, x + 3]}, ["logits", "aux_0", "aux_2"]),
        (lambda x: ({"y": x + 1}, {"y": x + 2}), ["output_0", "output_1"]),
        (lambda x: Pair(x + 1, x + 2), ["logits", "aux"]),
    ],
)
def test_names_of_outputs(function: Any, names: list[str]) -> None:
    assert [o.name for o in graph_of(exported(Lambda(function), SHAPE)).output] == names


@pytest.mark.parametrize("axes", [{"input": {0: "N"}}, {"input": [0]}, {"input": {0: "N"}, "output": {0: "N"}}, None])
def test_dynamic_axes(axes: Any) -> None:
    assert dims(graph_of(exported(network(), SHAPE, dynamic_axes=axes)).input[0])[0] == "N"


@pytest.mark.parametrize("axes", [{}, {"output": {0: "N"}, "input": {}}])
def test_a_fixed_batch(axes: Any) -> None:
    data = exported(network(), SHAPE, dynamic_axes=axes)
    assert dims(graph_of(data).input[0]) == [2, 3, 8, 8]
    with pytest.raises(Exception, match="Got invalid dimensions"):
        run(data, draw((3, 3, 8, 8)))


def test_training_modes_and_buffers_stay() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", minicnn.zeros(1))
            self.bn = nn.BatchNorm2d(3).eval()

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.bn(x)

    model = nn.Sequential(network(), Counting()).train()
    model[1].bn.eval()
    model[0][1].weight.requires_grad_(False)
    modes = [m.training for m in model.modules()]
    state = {k: v.numpy().copy() for k, v in model[1].state_dict().items()}
    exported(model[1], SHAPE)
    exported(model[0], SHAPE)
    assert [m.training for m in model.modules()] == modes
    for name, array in state.items():
        np.testing.assert_array_equal(array, model[1].state_dict()[name].numpy())
    seed = minicnn.get_rng_state()
    exported(model[0], SHAPE)
    assert repr(seed) == repr(minicnn.get_rng_state())


def test_training_modes_come_back_after_an_error() -> None:
    model = nn.Sequential(nn.Dropout(), Lambda(lambda x: x.max(1)[0]))
    with pytest.raises(ExportError):
        exported(model, SHAPE)
    assert all(m.training for m in model.modules())


def test_files(tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.onnx"
    minicnn.onnx.export(model, minicnn.zeros(*SHAPE), str(path))
    with path.open("rb") as file:
        first = file.read()
    with path.open("wb") as file:
        minicnn.onnx.export(model, (minicnn.zeros(*SHAPE),), file)
    assert path.read_bytes() == first == exported(model, SHAPE)  # the same every time
    x = draw((3, 3, 8, 8))
    assert_close(run(str(path), x)[0], outputs_of(model, x)[0])


def test_a_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ExportError):
        minicnn.onnx.export(Lambda(lambda x: x.max(1)[0]), minicnn.zeros(*SHAPE), path)

    def refuse(*_: Any, **__: Any) -> None:
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(onnx.checker.ValidationError):
        minicnn.onnx.export(network(), minicnn.zeros(*SHAPE), path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("version", [18, 19, 20, 21, 22, 23])
def test_versions_of_the_operators(version: int) -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding_mode="reflect", padding=1), nn.BatchNorm2d(4), nn.Hardswish(inplace=True),
        nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), nn.LocalResponseNorm(4),
        nn.Upsample(scale_factor=2), nn.GroupNorm(2, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(4),
        nn.ZeroPad2d(0) if version < 18 else nn.Identity(), nn.Linear(4, 2), nn.LogSoftmax(1),
    )  # fmt: skip
    data = exported(layers, SHAPE, opset_version=version)
    assert onnx.load_from_string(data).opset_import[0].version == version
    x = draw((3, 3, 8, 8))
    assert_close(run(data, x)[0], outputs_of(layers, x)[0])


def test_half_precision_is_written() -> None:
    """onnxruntime's CPU has few operators for it; the checker has seen the file."""
    graph = graph_of(exported(network().half(), SHAPE, kind="float16"))
    assert {i.data_type for i in graph.initializer if "constant" not in i.name} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"opset_version": 17}, "opset_version must lie between 18"),
        ({"opset_version": 1000}, "opset_version must lie between 18"),
        ({"input_names": ["a", "b"]}, "input_names must be 1 different names"),
        ({"input_names": "a"}, "input_names must be 1 different names"),
        ({"output_names": ["a", "a"]}, "output_names must be 1 different names"),
        ({"output_names": ["input"]}, "an input and an output have the same name"),
        ({"dynamic_axes": {"input": {2: "H"}}}, "only dimension 0, the batch, can be dynamic"),
        ({"dynamic_axes": {"image": {0: "N"}}}, "dynamic_axes must name an input"),
        ({"dynamic_axes": {"input": {0: "N"}, "output": {0: "M"}}}, "all batches have one size"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        exported(network(), SHAPE, **options)


def test_wrong_models_and_inputs() -> None:
    file = io.BytesIO()
    with pytest.raises(TypeError, match=r"expected an nn\.Module; got function"):
        minicnn.onnx.export(outputs_of, minicnn.zeros(1), file)
    with pytest.raises(TypeError, match="args must be a Tensor or a tuple of Tensors; got ndarray"):
        minicnn.onnx.export(network(), np.zeros(SHAPE), file)
    with pytest.raises(ValueError, match="at least one Tensor"):
        minicnn.onnx.export(network(), (), file)
    with pytest.raises(ValueError, match="a number has no dimension 0"):
        minicnn.onnx.export(Lambda(lambda x: x), minicnn.tensor(1.0), file, dynamic_axes={"input": [0]})
    with pytest.raises(FileNotFoundError):
        minicnn.onnx.export(network(), minicnn.zeros(*SHAPE), "no/such/folder/model.onnx")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'minicnn\[onnx\]'"):
        exported(network(), SHAPE)


def test_what_is_left_out() -> None:
    with pytest.raises(AttributeError, match=r"module 'minicnn\.onnx' has no attribute 'dynamo_export'"):
        minicnn.onnx.dynamo_export  # noqa: B018


@pytest.mark.parametrize("shape", [(3, 8, 8), (7, 3, 8, 8)])
def test_export_onnx(shape: tuple[int, ...], tmp_path: Path) -> None:
    models.export_onnx(network(), tmp_path / "a.onnx", shape)
    models.export_onnx(network(), tmp_path / "b.onnx", shape, batch="B", input_names=["x"], output_names=["y"])
    models.export_onnx(network().double(), tmp_path / "c.onnx", shape, batch=4)
    inputs = [onnx.load(tmp_path / name).graph.input[0] for name in ("a.onnx", "b.onnx", "c.onnx")]
    assert [(i.name, dims(i)[0]) for i in inputs] == [("input", "N"), ("x", "B"), ("input", 4)]
    assert inputs[2].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


def test_export_onnx_with_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"input_shape must be \(C, H, W\) or \(N, C, H, W\); got \(8, 8\)"):
        models.export_onnx(network(), tmp_path / "a.onnx", (8, 8))
    with pytest.raises(ValueError, match=r"input_shape must be .*; got \(3, 8\.5, 8\)"):
        models.export_onnx(network(), tmp_path / "a.onnx", (3, 8.5, 8))
    with pytest.raises(ValueError, match="batch must be a name or a positive number; got 0"):
        models.export_onnx(network(), tmp_path / "a.onnx", (3, 8, 8), batch=0)
    with pytest.raises(TypeError, match=r"expected a model; got str. Fix: models.get_model"):
        models.export_onnx("resnet18", tmp_path / "a.onnx", (3, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected \(model, path, input_shape\)"):
        models.export_onnx(network(), (3, 8, 8), "a.onnx")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the batch is dynamic already"):
        models.export_onnx(network(), tmp_path / "a.onnx", (3, 8, 8), dynamic_axes={})
    assert not list(tmp_path.iterdir())


def test_the_habits_of_pytorch(tmp_path: Path) -> None:
    example = minicnn.zeros(1, 3, 8, 8)
    models.export_onnx(network(), tmp_path / "a.onnx", example)
    minicnn.onnx.export(network(), example, tmp_path / "b.onnx", export_params=True, verbose=False, dynamo=False)
    assert dims(onnx.load(tmp_path / "a.onnx").graph.input[0])[1:] == [3, 8, 8]
    with pytest.raises(ValueError, match="the parameters are always in the file"):
        minicnn.onnx.export(network(), example, tmp_path / "c.onnx", export_params=False)
