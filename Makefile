# Two commands: `make demo` and `make test`. Everything else is for the curious.
PORT ?= 8501
VENV := .venv
RUN  := $(VENV)/bin/python

.PHONY: demo test lint format lock clean

demo: $(VENV)/.installed
	@$(RUN) -m db upgrade
	@exec $(RUN) -m streamlit run app.py --server.port $(PORT)

test: $(VENV)/.installed-test lint
	$(RUN) -m pytest -n 2 --dist loadfile $(TESTS)

lint: $(VENV)/.installed-test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy .
	PYTHONPATH=. $(VENV)/bin/lint-imports

format: $(VENV)/.installed-test
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

$(RUN):
	@for python in "$$PYTHON" python3 python3.13 python3.12 python3.11; do \
	  if [ -n "$$python" ] && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$python" -m venv $(VENV) && exit 0; \
	  fi; \
	done; echo "Kabinet needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3.12 demo" >&2; exit 1

$(VENV)/.installed: requirements.lock | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed-test: requirements-test.lock | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@ $(VENV)/.installed

# After a change of requirements*.txt.
lock:
	for tree in requirements requirements-test; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -q $$tree.txt -o $$tree.lock; \
	done

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
