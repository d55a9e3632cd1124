"""The course beside the best programs of each kind: `make bench`, or `python -m recipes.bench NAME`.

Each module but the first three measures one thing and has a function `measure(runs) -> Report`:

    report.py        what a benchmark found: timings, targets, and their table, plot and page
    alternating.py   several ways to do one thing, timed in turn
    __main__.py      the command
"""
