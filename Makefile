# Short names; every target is a command that also works without make.
PYTHON ?= python3
VENV_PYTHON ?= .venv/bin/python
UV ?= uv
LOCK = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"

.PHONY: test demo lint lock upgrade cohorts docs sample library

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

# The log of assumptions, from the data files.
docs:
	$(VENV_PYTHON) -m allocation assumptions --out allocation/docs/assumptions_log.csv

# The committed sample report, from the run of the demo.
sample:
	$(VENV_PYTHON) -m allocation simulate uk_2021_output_fall --cohort data/patient_cohorts/national_cohort.parquet --workers 2 --out reports/demo
	$(VENV_PYTHON) -m allocation report reports/demo --format html,svg
	mkdir -p reports/sample
	cp -r reports/demo/report.html reports/demo/summary.json reports/demo/manifest.json reports/demo/figures reports/sample/

# Every scenario of the library on the national cohort, and the page with all of them, scenarios/RESULTS.md. A run that
# was stopped is gone on with; one that is done is not played again until its folder is removed.
REPLICATIONS ?= 200
WORKERS ?= 2
SCENARIOS = $(basename $(notdir $(sort $(wildcard scenarios/*.toml))))
LIBRARY = $(addprefix reports/library/,$(SCENARIOS))

library: $(addsuffix /manifest.json,$(LIBRARY))
	$(VENV_PYTHON) -c "import sys; from pathlib import Path; from allocation.workflow.library import write_library_table; write_library_table([Path(one) for one in sys.argv[1:]], Path('scenarios/RESULTS.md'), remake='make library REPLICATIONS=$(REPLICATIONS)')" $(LIBRARY)

reports/library/%/manifest.json:
	$(VENV_PYTHON) -m allocation simulate $* --cohort data/patient_cohorts/national_cohort.parquet --replications $(REPLICATIONS) --workers $(WORKERS) --resume --out reports/library/$*

# The national cohort on 60 % of four weeks' stock at each tier, and the page that sets them side by side.
TIERS = $(addprefix reports/tiers/tier,1 2 3 4)
NATIONAL = --cohort data/patient_cohorts/national_cohort.parquet --as-of 2026-11-01 --weeks 4

tiers:
	$(VENV_PYTHON) -m allocation stock make $(NATIONAL) --share 0.6 --out reports/tiers/stock.csv
	for tier in 1 2 3 4; do $(VENV_PYTHON) -m allocation allocate $(NATIONAL) --stock reports/tiers/stock.csv --tier $$tier --out reports/tiers/tier$$tier || exit 1; done
	$(VENV_PYTHON) -c "import sys; from pathlib import Path; from allocation.workflow.side_by_side import write_tiers_page; write_tiers_page([Path(one) for one in sys.argv[1:]], Path('allocation/docs/tiers_side_by_side.md'), remake='make tiers')" $(TIERS)
