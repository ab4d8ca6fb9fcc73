"""The code of docs/cuda-graphs.md, on the device: tests/project runs it where there is none."""

from __future__ import annotations

from tests.project.test_readme import ROOT, _blocks


def test_the_guide_to_graphs(device, capsys):
    scope = {"__name__": "guide"}
    for number, block in enumerate(_blocks(ROOT / "docs" / "cuda-graphs.md")):
        exec(compile(block, f"block {number}", "exec"), scope)
    printed = capsys.readouterr().out
    assert scope["device"] == "cuda"
    assert scope["step"].captures == 1
    assert "a CUDA graph cannot record block 1, line 3:" in printed
    assert "item() needs a number that does not exist yet" in printed
    assert "[3.0, 3.0, 3.0]\n[5.0, 5.0, 5.0]\n" in printed
    assert printed.rstrip().endswith("ms")
