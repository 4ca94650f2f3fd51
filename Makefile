# make demo   the main job, end to end, on this machine
# make test   every test; those of the pages in a browser where there is one
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-browser lint bench lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.ready
	$(BIN)/sqlft demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest

# the pages in a real browser, which is installed where there is none (playwright's own, for which it may want root)
test-browser: $(VENV)/.ready
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
		$(BIN)/playwright install --with-deps chromium
	SQLFT_BROWSER=required $(BIN)/python -m pytest tests/browser

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready
	@for name in $$(grep -l '^if __name__' benchmarks/*.py | xargs -n1 basename -s .py); do \
		echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

# pinned versions of everything that pyproject.toml asks for; names no index
lock: $(VENV)/.ready
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --extra dev --no-emit-index-url --no-header --no-annotate --quiet pyproject.toml --output-file requirements.lock

$(VENV)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sqlft needs Python 3.11 or newer; this is %d.%d. Write make PYTHON=python3.12 …" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
