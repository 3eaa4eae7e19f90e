"""A page of ours to PDF, by a browser that is already on the machine: tagged, in its own profile, asking nobody.

The text, the tags and the drawing come from the page, which is the same bytes every time. How the browser writes them
into the PDF is its own affair and changes with its version, so a PDF is in no hash of ours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.records import atomic_path

__all__ = ["BROWSER_VARIABLE", "browser_path", "write_pdf"]

BROWSER_VARIABLE = "IGALLOC_BROWSER"
"""Environment variable that names the browser to print with, before all others."""

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
)
_WINDOWS = (
    "Microsoft/Edge/Application/msedge.exe",
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
)
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_SECONDS = 120
_ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--export-tagged-pdf",
    # No name is looked up, so nothing can be asked for whatever the browser would like to know.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
_DATES = re.compile(rb"/(CreationDate|ModDate) \(D:(\d{14})")


def browser_path(environment: Mapping[str, str] | None = None) -> Path:
    """The browser to print with.

    Parameters
    ----------
    environment
        Variables to look in; None for those of this process.

    Raises
    ------
    InputError
        Where the one named by ``IGALLOC_BROWSER`` is not there, or none is found.
    """
    known = os.environ if environment is None else environment
    named = known.get(BROWSER_VARIABLE, "").strip()
    if named:
        found = shutil.which(named, path=known.get("PATH"))
        if found is None:
            raise InputError(Fault(BROWSER_VARIABLE, "a browser that can be run", value=named))
        return Path(found)
    for place in _places(known):
        if place.is_file():
            return place
    remedy = (
        "Install Chromium, Google Chrome or Microsoft Edge, or name one by the environment variable "
        f"{BROWSER_VARIABLE}. Without one, open report.html in any browser and print it from there."
    )
    raise InputError(Fault("--format pdf", "a browser to print with; none was found", remedy=remedy))


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    for name in _NAMES:
        found = shutil.which(name, path=environment.get("PATH"))
        if found is not None:
            yield Path(found)
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if environment.get(variable):
            yield from (Path(environment[variable]) / place for place in _WINDOWS)
    if sys.platform == "darwin":
        yield from (Path(place) for place in _MAC)


def write_pdf(html: str, path: Path) -> Path:
    """Print a page to a PDF file, whole or not at all.

    Parameters
    ----------
    html
        A page that needs nothing else.
    path
        Where the PDF is to be.

    Raises
    ------
    InputError
        Where no browser is found, it fails or takes more than two minutes, or the file cannot be written.
    """
    browser = browser_path()
    # Chromium installed as a snap sees no hidden folder and no /tmp of ours, so the place is the system's.
    with tempfile.TemporaryDirectory(prefix="igalloc-", ignore_cleanup_errors=True) as place:
        source, made = Path(place) / "page.html", Path(place) / "page.pdf"
        source.write_text(html, encoding="utf-8", newline="\n")
        _print(browser, source, made, profile=Path(place) / "profile")
        content = _without_dates(made.read_bytes())
    with atomic_path(path) as part:
        part.write_bytes(content)
    return path


def _print(browser: Path, source: Path, made: Path, *, profile: Path) -> None:
    command = [
        str(browser),
        *_ARGUMENTS,
        # The browser refuses to run its sandbox as root, as in a container.
        *(["--no-sandbox"] if _is_root() else []),
        f"--user-data-dir={profile}",
        f"--print-to-pdf={made}",
        source.as_uri(),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - a browser found above, and files of ours
            command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        expected = f"a browser that prints within {_SECONDS} seconds"
        raise InputError(Fault(str(browser), expected, remedy="Close other windows of it, or try again.")) from None
    except OSError as error:
        raise InputError(
            Fault(str(browser), "a browser that can be run", remedy=f"{error.strerror or error}.")
        ) from None
    if not made.is_file() or not made.stat().st_size:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        ended = f"It ended with {done.returncode}{f': {said[-1]}' if said else ''}."
        remedy = f"{ended} Another can be named by {BROWSER_VARIABLE}."
        raise InputError(Fault(str(browser), "a browser that prints to PDF", remedy=remedy))


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _without_dates(content: bytes) -> bytes:
    """The same with the time of printing set to the start of 1980, so that a page printed again is the same file."""
    return _DATES.sub(rb"/\1 (D:19800101000000", content)
