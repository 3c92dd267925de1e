"""Measures how long `fieldmark --help` takes, against importing typer and rich alone.

    python benchmarks/speed/help.py [RUNS]

It is to take at most twice as long.
"""

import statistics
import subprocess
import sys
import time

PROGRAMS = {
    "import typer, rich": "import typer, rich.console, rich.table, rich.text",
    "fieldmark --help": ("import sys; sys.argv[1:] = ['--help']; from fieldmark.cli import main; main()"),
}


def seconds(program: str) -> float:
    """Seconds of one fresh process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    # In turns, so that a busy moment of the machine meets both.
    took: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(runs):
        for name, program in PROGRAMS.items():
            took[name].append(seconds(program))
    medians = {name: statistics.median(values) for name, values in took.items()}
    for name, median in medians.items():
        print(
            f"{name:20} median {1000 * median:6.0f} ms, least {1000 * min(took[name]):6.0f} ms, {runs} runs"
        )
    base, ours = medians.values()
    print(f"ratio {ours / base:.2f} (wanted: at most 2)")


if __name__ == "__main__":
    main()
