# Two commands that need nothing prepared: `make demo` and `make test`.
.PHONY: demo test accuracy lint environment environment-dev clean

demo: environment
	.venv/bin/python demo/run_demo.py

test: environment-dev
	.venv/bin/python -m pytest

DATA ?= ../shared/data

accuracy: environment-dev
	.venv/bin/python -m benchmarks.accuracy --data $(DATA)

lint: environment-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

environment:
	@scripts/setup_environment.sh

environment-dev:
	@scripts/setup_environment.sh --dev

clean:
	rm -rf .venv build install log demo/output demo/trajectory.png
