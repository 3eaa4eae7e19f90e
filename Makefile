# Short names; every target is a command that also works without make.
PYTHON ?= python3
VENV_PYTHON ?= .venv/bin/python
UV ?= uv
LOCK = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.PHONY: test demo lint lock upgrade cohorts sample

test:
	$(PYTHON) bootstrap.py test

demo:
	$(PYTHON) bootstrap.py demo

lint:
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

lock:
	$(LOCK) --group build --output-file requirements.lock
	$(LOCK) --group build --extra dev --constraint requirements.lock --output-file requirements-dev.lock

upgrade:
	rm -f requirements.lock requirements-dev.lock
	$(MAKE) lock

# All four files of data/patient_cohorts, from the generator and its fixed seeds.
cohorts:
	$(VENV_PYTHON) -c "from pathlib import Path; from allocation.cohort.published import regenerate; regenerate(Path('data/patient_cohorts'))"

# The committed sample report, from the run of the demo.
sample:
	$(VENV_PYTHON) -m allocation simulate uk_2021_output_fall --cohort data/patient_cohorts/national_cohort.parquet --workers 2 --out reports/demo
	$(VENV_PYTHON) -m allocation report reports/demo --format html,svg
	mkdir -p reports/sample
	cp -r reports/demo/report.html reports/demo/summary.json reports/demo/manifest.json reports/demo/figures reports/sample/
