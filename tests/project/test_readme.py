"""The code blocks of the README and of the guides run as they stand."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from tests.cuda import needs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "kernels" / "README.md", *(ROOT / "docs").rglob("*.md")]
)


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name == "cuda.md":
        needs.compiler()
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "readme"}
    for block in _blocks(page):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, scope, page.name, str(page), 0)
            runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
            output: list[str] = []
            assert runner.run(test, out=output.append, clear_globs=False).failed == 0, "".join(output)
            scope.update(test.globs)
        else:
            exec(compile(block, str(page), "exec"), scope)


def test_the_readme_has_the_two_commands_and_code() -> None:
    text = (ROOT / "README.md").read_text()
    assert 'pip install -e ".[examples]" && python examples/mnist_convnet.py' in text
    assert 'pip install -e ".[test]" && pytest' in text
    assert _blocks(ROOT / "README.md")


def test_the_version_is_in_the_changelog() -> None:
    import minicnn

    assert f"## {minicnn.__version__}" in (ROOT / "CHANGELOG.md").read_text()
