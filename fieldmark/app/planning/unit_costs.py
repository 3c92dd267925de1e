"""What a unit of each kind of work takes, as it was measured, and where.

These are the only numbers of a plan that are none of the product's own formulas. They were fitted on other
sizes than those that the plan was checked against.
"""

from dataclasses import dataclass

_CORES = "two cores of an x86-64 server, no GPU, busy with other work"
_BIRDS = f"benchmarks.large.planned of 600x12, 3000x50 and 10000x60, on {_CORES}"


@dataclass(frozen=True)
class UnitCost:
    """One measured cost.

    Attributes:
        value: The cost.
        unit: What it counts, and of what.
        measured: The command, and the machine.
    """

    value: float
    unit: str
    measured: str


ENCODING = {("aviary", "cpu"): UnitCost(280, "images/s a core", _BIRDS)}
"""Images a second by encoder and device, from file to stored vector. No GPU has been at hand."""
TEXTS = {
    ("aviary", "cpu"): UnitCost(1_604, "texts/s a core", f"benchmarks/encode.py on one thread of {_CORES}")
}
"""Texts a second, from string to stored vector."""
INDEX_BYTES = UnitCost(92, "bytes/vector beside its row", _BIRDS)
"""The vector store's index: key, place and checksum of a row."""
TEXTS_A_QUESTION = UnitCost(6, "distinct texts/question asked", _BIRDS)
ANSWER_BYTES = UnitCost(1_300, "bytes/answer", _BIRDS)
RUN_BYTES = UnitCost(2_500, "bytes/image in the run's folder", _BIRDS)
RUN_BYTES_A_PAIR = UnitCost(50, "bytes/image × class in the run's folder", _BIRDS)
BASE_BYTES = UnitCost(0.965e9, "bytes of memory before any image", _BIRDS)
IMAGE_BYTES = UnitCost(
    52_500, "bytes of memory/image beside its vector: its prediction, with reasons", _BIRDS
)
VECTOR_BYTES = UnitCost(
    8.2, "bytes of memory/value of a vector", f"benchmarks/large/pools.py rows, 200,000 vectors, on {_CORES}"
)
"""As stored, at unit length, and in the order of the images."""
PAIR_BYTES = UnitCost(
    269, "bytes of memory/image × class that is scored", f"benchmarks.large.many_classes, on {_CORES}"
)
ASKED = UnitCost(0.23, "follow-up questions asked/most that were announced", _BIRDS)
"""0.12, 0.17 and 0.30 at 12, 50 and 60 classes: it depends on how alike they are."""
TOKENS_SENT = UnitCost(455, "tokens sent/question asked", _BIRDS)
TOKENS_ANSWERED = UnitCost(95, "tokens of answers/question asked", _BIRDS)
SCORING_BASE = UnitCost(1.5, "s", _BIRDS)
SCORING = UnitCost(5.3e-5, "s/image × class", _BIRDS)
SCORING_LARGE = UnitCost(
    178 / (100_000 * 64),
    "s/image × class of the shortlist",
    f"benchmarks.large.many_classes, on {_CORES}",
)
"""Beyond the pairs that are weighed at once, by the table rule."""
PREDICTING = UnitCost(2.0e-6, "s/image of 512 values", f"benchmarks/large/pools.py predict, on {_CORES}")
PREDICTING_A_CLASS = UnitCost(1.4e-8, "s/image × class, 512 values", PREDICTING.measured)
SEARCH = UnitCost(1.6e-6, "s/image, 16 queries, 512 values", f"benchmarks/large/pools.py search, on {_CORES}")
