"""Set igalloc up in a folder of its own and run it: ``python bootstrap.py demo`` or ``python bootstrap.py test``.

Needs nothing but Python 3.11 or newer. The packages go to ``.venv`` beside this file, each checked against the
hash in the lock file; the environment is used again until a lock file, ``pyproject.toml`` or Python changes.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Checked before anything is defined, so that an older Python says this and not a syntax error.
if sys.version_info < (3, 11):  # noqa: UP036 - this file alone also meets Pythons that the package does not allow
    sys.stderr.write(
        "igalloc needs Python 3.11 or newer and this is {}.{}: install one from python.org or your "
        "software centre and run bootstrap.py with it.\n".format(*sys.version_info[:2])
    )
    sys.exit(2)

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "igalloc-environment.json"
RUNTIME_LOCK = "requirements.lock"
DEV_LOCK = "requirements-dev.lock"
DEMO_SCENARIO = "uk_2021_output_fall"
DEMO_COHORT = "data/patient_cohorts/national_cohort.parquet"
DEMO_FOLDER = "reports/demo"
MOST_WORKERS = 8

USAGE = """\
usage: python bootstrap.py demo [OPTIONS of igalloc simulate]
       python bootstrap.py test [OPTIONS of pytest]

demo   set up, simulate the 2021 fall in supply on the national cohort, write the report
test   set up with the developers' tools, check style and types, run every test
"""

Step = Literal["create", "runtime", "dev", "project"]

# Settings of the caller's shell that would send packages elsewhere or bring in modules of another project.
FOREIGN_SETTINGS = frozenset(
    {
        "PIP_CONSTRAINT",
        "PIP_DRY_RUN",
        "PIP_NO_BINARY",
        "PIP_ONLY_BINARY",
        "PIP_PREFIX",
        "PIP_PYTHON",
        "PIP_REQUIREMENT",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "PYTHONWARNINGS",
        "VIRTUAL_ENV",
        "VIRTUAL_ENV_PROMPT",
        "__PYVENV_LAUNCHER__",
    }
)

# What pip prints when something outside our power is wrong, and what to do about it. First match wins.
PIP_TROUBLES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("do not match the hashes", "hashes are required"),
        (
            "A downloaded package is not the one in {lock} (its hash differs), so it was not installed: try again, and "
            "if it happens twice ask whoever runs your package mirror or proxy."
        ),
    ),
    (("no space left on device",), "The disk is full: make about 1 GB free and run the same command again."),
    (
        ("certificate_verify_failed", "sslerror"),
        (
            "The package index could not be reached safely (certificate not accepted): if your network inspects "
            "traffic, set PIP_CERT to its certificate file, then run the same command again."
        ),
    ),
    (
        (
            "proxyerror",
            "connection broken",
            "connectionerror",
            "newconnectionerror",
            "name resolution",
            "getaddrinfo failed",
            "max retries exceeded",
            "timed out",
            "timeouterror",
            "connection refused",
            "connection reset",
        ),
        (
            "The packages could not be downloaded: check the network (behind a proxy, set HTTPS_PROXY; with a mirror, "
            "set PIP_INDEX_URL) and run the same command again; what was fetched is kept."
        ),
    ),
    (
        ("no matching distribution found", "could not find a version", "is not a supported wheel"),
        (
            "No ready-made package fits this computer: use a 64-bit Python 3.11, 3.12 or 3.13 from python.org on "
            "Windows, macOS or a mainstream Linux."
        ),
    ),
)


class Stop(Exception):  # noqa: N818 - not an error of the program: the one sentence a person gets
    """Ends the run with one sentence and exit code 2."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment without what would reach into ours."""
    kept = {name: value for name, value in environment.items() if name.upper() not in FOREIGN_SETTINGS}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def venv_python(venv: Path, *, windows: bool) -> Path:
    """Path of the Python inside a virtual environment."""
    return venv / "Scripts" / "python.exe" if windows else venv / "bin" / "python"


def worker_count(cores: int | None, *, most: int = MOST_WORKERS) -> int:
    """Processes to use on a machine with so many cores; one where nobody knows."""
    return max(1, min(cores or 1, most))


def usable_cores() -> int | None:
    """Cores this process may use, which on a shared machine are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def digest(parts: Iterable[bytes]) -> str:
    """One hash over several pieces, such that moving bytes from one piece to the next changes it."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def wanted_stamp(root: Path, *, python: str) -> dict[str, str]:
    """What an up-to-date environment of this checkout is made from.

    Raises
    ------
    Stop
        When a file that decides it is missing.
    """
    content = {}
    for name in (RUNTIME_LOCK, DEV_LOCK, "pyproject.toml"):
        try:
            # Git on Windows may have changed the line ends, which changes nothing for pip.
            content[name] = (root / name).read_bytes().replace(b"\r\n", b"\n")
        except FileNotFoundError:
            raise Stop(
                f"{name} is missing beside bootstrap.py: get the whole repository again, or restore the file "
                f"with git checkout {name}."
            ) from None
    # The folder counts because the scripts inside an environment name it, so a moved environment is broken.
    base = digest([python.encode(), str(root).encode(), content[RUNTIME_LOCK]])
    return {"base": base, "dev": digest([content[DEV_LOCK]]), "project": digest([content["pyproject.toml"]])}


def steps_to(wanted: Mapping[str, str], found: Mapping[str, str], *, dev: bool) -> tuple[Step, ...]:
    """What to do to an environment stamped ``found`` (empty: none, or half made) so that it serves."""
    outgrown = dev and found.get("dev", "") not in ("", wanted["dev"])
    if found.get("base") != wanted["base"] or outgrown:
        return ("create", "dev" if dev else "runtime", "project")
    steps: list[Step] = []
    if dev and not found.get("dev"):
        steps.append("dev")
    if found.get("project") != wanted["project"]:
        steps.append("project")
    return tuple(steps)


def read_stamp(path: Path) -> dict[str, str]:
    """Read the stamp; empty where it is missing or unreadable, so that the environment is made anew."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in stamp.items()} if isinstance(stamp, dict) else {}


def explain_pip(output: str, *, lock: str, log: Path) -> str:
    """One sentence on why pip failed and what to do, from what it printed."""
    lowered = output.lower()
    for signs, sentence in PIP_TROUBLES:
        if any(sign in lowered for sign in signs):
            return sentence.format(lock=lock)
    return f"Installing the packages failed: {log} says why; put it right and run the same command again."


def python_identity() -> str:
    """What of this Python an environment depends on."""
    return f"{sys.implementation.cache_tag} {sys.version} {sys.platform} {sys.base_prefix}"


def say(text: str) -> None:
    """Tell the person what happens; standard output stays for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def create_environment() -> None:
    """Make an empty virtual environment, in place of any older one."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Stop(
            "This Python cannot make virtual environments (venv or ensurepip is missing): on Debian or Ubuntu run "
            f"sudo apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv, elsewhere install Python "
            "from python.org."
        )
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    # Made here first: a folder that may not be written is then told as such, and not as a fault of venv.
    VENV.mkdir()
    # The base interpreter, because this process may itself run in the environment just removed.
    base = getattr(sys, "_base_executable", None) or sys.executable
    made = subprocess.run(
        [base, "-m", "venv", str(VENV)],
        cwd=ROOT,
        env=clean_environment(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if made.returncode != 0:
        lines = [line for line in made.stdout.splitlines() if line.strip()] or ["no reason given"]
        raise Stop(f"Python could not make the virtual environment {VENV} ({lines[-1].strip()}).")


def pip_install(arguments: Sequence[str], *, lock: str) -> None:
    """Run pip in the environment, keep what it prints in a log, and say in one sentence if it fails."""
    log = VENV / "install.log"
    command = [str(own_python()), "-m", "pip", "install", "--no-input", "--progress-bar", "off", *arguments]
    printed: list[str] = []
    with log.open("a", encoding="utf-8", newline="\n") as record, _started(command) as pip:
        if pip.stdout is None:
            raise Stop("Python could not read what pip prints: run the same command again.")
        for line in pip.stdout:
            printed.append(line)
            record.write(line)
            if line.startswith("Collecting ") and sys.stderr.isatty():
                sys.stderr.write(f"\r  {line.split(maxsplit=2)[1]:<60.60}")
        if sys.stderr.isatty():
            sys.stderr.write("\r" + " " * 62 + "\r")
    if pip.returncode != 0:
        raise Stop(explain_pip("".join(printed), lock=lock, log=log))


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )


def own_python() -> Path:
    """The Python of the environment."""
    return venv_python(VENV, windows=os.name == "nt")


def prepare(*, dev: bool) -> None:
    """Make the environment fit this checkout, doing only what is needed."""
    wanted = wanted_stamp(ROOT, python=python_identity())
    # A link to a Python that has been removed does not exist, and then neither does the environment.
    found = read_stamp(STAMP) if own_python().exists() else {}
    steps = steps_to(wanted, found, dev=dev)
    if not steps:
        return
    STAMP.unlink(missing_ok=True)
    stamp = {**wanted, "dev": wanted["dev"] if "dev" in steps else found.get("dev", "")}
    for step in steps:
        if step == "create":
            say(f"Making a virtual environment in {VENV}")
            create_environment()
            stamp["dev"] = wanted["dev"] if dev else ""
        elif step == "project":
            say("Installing igalloc itself")
            # Its one build dependency is in the lock, so nothing is fetched unchecked.
            pip_install(["--no-deps", "--no-build-isolation", "--no-index", "--editable", "."], lock=RUNTIME_LOCK)
        else:
            lock = DEV_LOCK if step == "dev" else RUNTIME_LOCK
            say(f"Installing the packages of {lock}, each checked against its hash (a few minutes the first time)")
            # The lock names every package, so pip has nothing to find out. Left to look, an older pip meets newer
            # releases of a package that another one wants with an extra; those have no hash here, and it gives up.
            pip_install(["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", lock], lock=lock)
    STAMP.write_text(json.dumps(stamp, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


def run(arguments: Sequence[str]) -> int:
    """Run a module of the environment in the checkout's folder; its exit code."""
    return subprocess.run(
        [str(own_python()), "-m", *arguments], cwd=ROOT, env=clean_environment(os.environ), check=False
    ).returncode


def demo(options: Sequence[str]) -> int:
    """Simulate the documented shortage on the national cohort and write its report."""
    if not (ROOT / DEMO_COHORT).is_file():
        raise Stop(f"{DEMO_COHORT} is missing: get the whole repository again, or make it with make cohorts.")
    prepare(dev=False)
    workers = str(worker_count(usable_cores()))
    say(f"igalloc simulate {DEMO_SCENARIO} --cohort {DEMO_COHORT} --workers {workers} --out {DEMO_FOLDER}")
    simulate = ["allocation", "simulate", DEMO_SCENARIO, "--cohort", DEMO_COHORT, "--workers", workers]
    code = run([*simulate, "--out", DEMO_FOLDER, *options]) or run(["allocation", "report", DEMO_FOLDER])
    if code == 0:
        pages = sorted((ROOT / DEMO_FOLDER).glob("*.html"))
        say(f"The report is {pages[0] if pages else ROOT / DEMO_FOLDER}")
    return code


def test(options: Sequence[str]) -> int:
    """Check style and types and run the tests; every check runs even if an earlier one fails."""
    prepare(dev=True)
    workers = str(worker_count(usable_cores()))
    checks: dict[str, list[str]] = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        # A file's tests stay together, because they share what is dear to make.
        "pytest": ["pytest", "-n", workers, "--dist", "loadfile", *options],
    }
    codes = {}
    for name, arguments in checks.items():
        say(f"--- {name}")
        codes[name] = run(arguments)
    failed = [name for name, code in codes.items() if code]
    if failed:
        say(f"Failed: {', '.join(failed)}")
    return next((code for code in codes.values() if code), 0)


def main(arguments: Sequence[str]) -> int:
    """Run one of the two commands; the exit code."""
    commands = {"demo": demo, "test": test}
    if arguments and arguments[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        return 0
    if not arguments or arguments[0] not in commands:
        sys.stderr.write(USAGE)
        return 2
    try:
        return commands[arguments[0]](arguments[1:])
    except Stop as stop:
        say(str(stop))
    except OSError as trouble:
        # Nearly always a folder that may not be written, or on Windows a program that holds a file of .venv open.
        where = trouble.filename or VENV
        say(
            f"{where} cannot be used ({trouble.strerror or trouble}): check that you may write to {ROOT}, close "
            "programs that use .venv, and run the same command again."
        )
    except KeyboardInterrupt:
        say("Stopped; run the same command again to go on.")
        return 130
    return 2


def _start() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # A path may hold letters that the console cannot show.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    _start()
