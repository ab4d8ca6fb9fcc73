"""From the finished graph to the bytes of a file, checked by the onnx package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .agreement import Batch
from .errors import ExportError
from .graph import Graph, symbol
from .tracing import Value

LARGEST = 2**31 - 2**24  # bytes of parameters: a protobuf file can hold 2^31 - 1 in all
FULLY_CHECKED = 2**30  # larger files are checked without inferring all shapes, which copies them


def import_onnx() -> Any:
    """The onnx package."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError(f"exporting needs the package onnx: pip install 'minicnn[onnx]' ({error})") from None
    return onnx


def check_size(size: int) -> None:
    """Refuse what does not fit into one file."""
    if size > LARGEST:
        raise ExportError(
            f"the parameters take {size / 2**30:.2f} GiB, and an ONNX file can hold 2 GiB. "
            "Fix: a narrower model, or model.half()"
        )


def serialise(graph: Graph, output_names: Sequence[str], batch: str, opset_version: int) -> bytes:
    """The bytes of the model, checked.

    Parameters
    ----------
    graph : Graph
    output_names : sequence of str
        The same as the graph's.
    batch : str
        What the size of the batch is called.
    opset_version : int
    """
    onnx = import_onnx()

    def info(value: Value, name: str) -> Any:
        kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
        sizes = [symbol(size, batch) if isinstance(size, Batch) else size for size in value.sizes]
        return onnx.helper.make_tensor_value_info(name, kind, sizes)

    def renamed(names: Sequence[str]) -> list[str]:
        return [graph.renamed.get(name, name) for name in names]

    nodes = [
        onnx.helper.make_node(
            node.kind, renamed(node.inputs), renamed(node.outputs), node.outputs[0], **node.attributes
        )
        for piece in graph.pieces
        for node in piece.nodes
    ]
    constants = {name: array for piece in graph.pieces for name, array in piece.constants.items()}
    check_size(sum(array.nbytes for array in constants.values()))
    values = {renamed([name])[0]: value for value, name in graph.names.items()}
    between = {name for node in nodes for name in node.output}.intersection(values).difference(output_names)
    program = graph.program
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            nodes,
            "model",
            [info(value, graph.names[value]) for value in program.inputs],
            [info(value, name) for value, name in zip(program.outputs, output_names, strict=True)],
            value_info=[info(values[name], name) for name in sorted(between)],
        ),
        opset_imports=[onnx.helper.make_opsetid("", opset_version)],
        producer_name="minicnn",
    )
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    for name, array in constants.items():  # one after the other: each is copied on its way in
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    data: bytes = model.SerializeToString()
    del model
    onnx.checker.check_model(data, full_check=len(data) < FULLY_CHECKED)
    return data
