"""Run folders for the tests of this floor, made once; a test that changes one takes a copy."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest


def _builders(name: str = "run_folders") -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"reporting_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def builders() -> ModuleType:
    return _builders()


@pytest.fixture(scope="session")
def studies() -> ModuleType:
    return _builders("study_folders")


@pytest.fixture(scope="session")
def simulation_folder(builders, tmp_path_factory) -> Path:
    return builders.make_run_folder(tmp_path_factory.mktemp("runs") / "simulation")


@pytest.fixture(scope="session")
def allocation_folder(builders, tmp_path_factory) -> Path:
    return builders.make_allocation_folder(tmp_path_factory.mktemp("runs") / "allocation")


@pytest.fixture
def simulation_copy(simulation_folder, tmp_path) -> Path:
    return Path(shutil.copytree(simulation_folder, tmp_path / "run"))


@pytest.fixture
def allocation_copy(allocation_folder, tmp_path) -> Path:
    return Path(shutil.copytree(allocation_folder, tmp_path / "run"))
