"""Finding a browser to print with, and what is said when there is none or it fails."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from allocation.errors import InputError
from allocation.reporting import pdf


def program(path: Path, body: str) -> Path:
    """A script that can be run as if it were a browser."""
    script = path.with_suffix(".py")
    script.write_text(f"import sys\n{body}\n", encoding="utf-8")
    # By way of a shell, since a first line cannot name an interpreter whose path has a blank in it.
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


posix = pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")


@posix
def test_the_variable_goes_first_then_the_path(tmp_path):
    found = program(tmp_path / "chromium", "")
    other = program(tmp_path / "mine", "")
    assert pdf.browser_path({"PATH": str(tmp_path)}) == found
    assert pdf.browser_path({"PATH": str(tmp_path), pdf.BROWSER_VARIABLE: str(other)}) == other
    assert pdf.browser_path({"PATH": str(tmp_path), pdf.BROWSER_VARIABLE: "mine"}) == other


def test_the_usual_place_on_windows(tmp_path):
    edge = tmp_path / "Microsoft" / "Edge" / "Application" / "msedge.exe"
    edge.parent.mkdir(parents=True)
    edge.touch()
    assert pdf.browser_path({"PATH": "", "PROGRAMFILES(X86)": str(tmp_path)}) == edge


def test_without_a_browser_what_to_install_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "_MAC", ())
    with pytest.raises(InputError) as caught:
        pdf.browser_path({"PATH": str(tmp_path)})
    assert all(name in str(caught.value) for name in ("Chromium", "Chrome", "Edge", "IGALLOC_BROWSER"))


def test_a_named_browser_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(InputError, match="IGALLOC_BROWSER"):
        pdf.browser_path({"PATH": str(tmp_path), pdf.BROWSER_VARIABLE: "nowhere"})


@posix
def test_how_the_browser_is_called(tmp_path, monkeypatch):
    said = tmp_path / "said.txt"
    body = (
        f"open({str(said)!r}, 'w').write('\\n'.join(sys.argv[1:]))\n"
        "out = next(a.partition('=')[2] for a in sys.argv if a.startswith('--print-to-pdf='))\n"
        "open(out, 'wb').write(b\"%PDF /CreationDate (D:20301231235959+00'00') end\")"
    )
    monkeypatch.setenv(pdf.BROWSER_VARIABLE, str(program(tmp_path / "fake", body)))
    path = pdf.write_pdf("<!DOCTYPE html><title>x</title>", tmp_path / "out.pdf")
    assert path.read_bytes() == b"%PDF /CreationDate (D:19800101000000+00'00') end"
    arguments = said.read_text().split("\n")
    assert {"--headless", "--no-pdf-header-footer", "--export-tagged-pdf"} <= set(arguments)
    assert ("--no-sandbox" in arguments) == (os.geteuid() == 0)
    profile = next(a.partition("=")[2] for a in arguments if a.startswith("--user-data-dir="))
    assert not Path(profile).parent.exists(), "nothing is left behind"
    assert re.fullmatch(r"file:/{3}.*/page\.html", arguments[-1])


@posix
def test_a_browser_that_fails_is_quoted_and_nothing_is_left(tmp_path, monkeypatch):
    body = "sys.stderr.write('no room\\n'); sys.exit(3)"
    monkeypatch.setenv(pdf.BROWSER_VARIABLE, str(program(tmp_path / "fake", body)))
    with pytest.raises(InputError, match="ended with 3: no room"):
        pdf.write_pdf("x", tmp_path / "out.pdf")
    assert {path.name for path in tmp_path.iterdir()} == {"fake", "fake.py"}


@posix
def test_a_browser_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "_SECONDS", 0.2)
    monkeypatch.setenv(pdf.BROWSER_VARIABLE, str(program(tmp_path / "fake", "import time; time.sleep(60)")))
    with pytest.raises(InputError, match="prints within"):
        pdf.write_pdf("x", tmp_path / "out.pdf")
