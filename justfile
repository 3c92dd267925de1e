# The same commands as the README and .ci/run; `just` lists them.
_list:
    @just --list

# Install everything that development needs.
setup:
    pip install -e ".[dev,docs]" -c constraints.txt
    pre-commit install

# Format, lint, types, import contract.
check:
    ruff format --check . && ruff check .
    lint-imports && pyright

# All tests.
test *arguments:
    pytest {{arguments}}

# The quick tests, under a minute.
fast *arguments:
    pytest -m fast {{arguments}}

# The site of docs/, into site/.
docs:
    zensical build --strict

# The whole system on drawn birds.
demo *arguments:
    fieldmark demo {{arguments}}

# The pictures of docs/studio.md, from the studio's demo in Chromium.
screenshots *arguments:
    python -m tests.browser.screenshots {{arguments}}
