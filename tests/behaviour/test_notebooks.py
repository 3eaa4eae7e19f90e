"""Notebooks are prose that runs: stripped, importing only igalloc, and without an error from top to bottom."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra notebooks is not installed")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALLOWED = {"allocation", "datetime", "pathlib", "tempfile", "IPython"}
SECONDS = 120
# A warning stops a notebook, but not the one by which a library says that it cannot draw its own progress bar.
STRICT = ["-W", "error", "-W", "ignore:IProgress not found", "-W", "ignore::DeprecationWarning"]
KERNEL = [sys.executable, *STRICT, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

# In a process of its own, with our own interpreter and not whatever kernel is registered on the machine.
RUN = """
import sys
import nbclient, nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

source, executed, place, seconds, *kernel = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
manager = AsyncKernelManager()
manager._kernel_spec = KernelSpec(argv=kernel, display_name="the tests' interpreter", language="python")
resources = {"metadata": {"path": place}}
nbclient.NotebookClient(notebook, km=manager, timeout=int(seconds), resources=resources).execute()
nbformat.write(notebook, executed)
"""


def cells(path: Path, kind: str) -> list[str]:
    return [cell["source"] for cell in nbformat.read(path, as_version=4)["cells"] if cell["cell_type"] == kind]


def test_there_is_one_for_each_step_of_the_work() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stripped_and_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert set(notebook["metadata"]["language_info"]) == {"name"}
    # Written again it has the same bytes, so a diff shows what somebody changed and nothing else.
    assert nbformat.writes(notebook).rstrip("\n") + "\n" == text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_a_question_and_ends_with_limits_and_sources(path: Path) -> None:
    prose = cells(path, "markdown")
    assert nbformat.read(path, as_version=4)["cells"][0]["cell_type"] == "markdown"
    assert "?*" in prose[0]
    assert "not a clinical decision tool" in prose[0]
    assert "## Limits" in prose[-1]
    assert "**Sources:**" in prose[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_imports_only_igalloc_and_defines_nothing(path: Path) -> None:
    trees = [ast.walk(ast.parse(source)) for source in cells(path, "code")]
    nodes = [node for tree in trees for node in tree]
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert {name.split(".")[0] for name in named} <= ALLOWED
    assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.While)]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient", reason="the extra notebooks is not installed")
    pytest.importorskip("ipykernel", reason="the extra notebooks is not installed")
    if path.stem == "05_a_forecast":
        pytest.importorskip("statsforecast", reason="the extra forecast is not installed")
    # What Jupyter keeps about kernels stays in the test's folder.
    kept = ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")
    environment = {
        **os.environ,
        **{name: str(tmp_path / name.lower()) for name in kept},
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    place, executed = tmp_path / "work", tmp_path / "executed.ipynb"
    place.mkdir()
    command = [sys.executable, "-c", RUN, str(path), str(executed), str(place), str(SECONDS), *KERNEL]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(executed, as_version=4)
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    charts = [output["data"]["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert charts
    assert all("<title" in chart for chart in charts)
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    assert list(place.iterdir()) == []
