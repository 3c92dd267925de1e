"""Candidates a second of the prompt search, beside a plain re-gathering baseline in the same run.

It measures and asserts nothing.

    python benchmarks/speed/prompt_search.py [--classes 47 --shots 1 --width 512]
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from fieldmark.agents.optimize.history import Journal, history_lines
from fieldmark.cache.background_writer import BackgroundWriter
from fieldmark.tools.search.algebra import Arena, Parts
from fieldmark.tools.search.candidates import PromptCandidate, PromptMenu, part_key
from fieldmark.tools.search.fitness import EntropyFitness
from fieldmark.tools.search.generation import evolve, proposals, search_seed
from fieldmark.tools.search.operators import OPERATORS, Add, Crossover, Mutate, Remove, Replace
from fieldmark.tools.search.sampling import group_size


def world(
    classes: int, shots: int, width: int, units: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random images, labels, units and their classes."""
    chance = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, width, generator=chance, dtype=torch.float64)
    labels = torch.arange(classes).repeat_interleave(shots)
    images = centres[labels] + torch.randn(len(labels), width, generator=chance, dtype=torch.float64)
    owner = torch.arange(classes).repeat_interleave(units)
    texts = centres[owner] + 2 * torch.randn(len(owner), width, generator=chance, dtype=torch.float64)
    unit = torch.nn.functional.normalize
    return unit(images, dim=1), labels, unit(texts, dim=1), owner


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("classes", 47), ("shots", 1), ("width", 512), ("units", 60), ("generations", 60)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images, labels, texts, owner = world(given.classes, given.shots, given.width, given.units)
    scale, fitness = 100.0, EntropyFitness()
    book = [part for part in range(len(texts)) if part % given.units < given.units // 2]

    # As the search does it: the units of the group are numbered anew, and the history has their old numbers.
    group = list(range(group_size(given.classes)))
    inside = [part for part in range(len(texts)) if int(owner[part]) in group]
    numbers = {part: number for number, part in enumerate(inside)}
    keys = [part_key(str(part)) for part in inside]
    matrix = torch.nn.functional.normalize(
        torch.zeros(given.classes, given.width, dtype=torch.float64).index_add_(0, owner[book], texts[book]),
        dim=1,
    )
    arena = Arena(
        images, labels, parts=Parts(texts[inside][:, None], owner[inside][:, None]), moving=group,
        scale=scale, classes=given.classes, still=scale * images @ matrix.T,
    )  # fmt: skip
    slots = tuple(tuple(numbers[p] for p in inside if int(owner[p]) == c) for c in group)
    menu = PromptMenu(slots, keys)
    start = PromptCandidate(tuple(numbers[part] for part in book if part in numbers), 0)
    print(
        f"{given.classes} classes, {given.shots} shot(s), {given.width} dimensions, group of {len(group)}, "
        f"{given.units} units a class, {torch.get_num_threads()} thread(s)"
    )

    # The search as it runs: proposing, dropping repeats, scoring, choosing, writing the history to the disk.
    for label, operators in (
        ("ProAPO's generations of 120", OPERATORS),
        (
            "generations of 1,920 (16 times as many edits)",
            (Add(128), Remove(128), Replace(128), Mutate(128), Crossover(256)),
        ),
    ):
        seen: set[int] = set()
        parents: tuple[PromptCandidate, ...] = (start,)
        scored, size, took = 0, 0, {"search": 0.0, "history": 0.0}
        processor = time.process_time()
        later = BackgroundWriter()
        with TemporaryDirectory() as folder:
            for number in range(given.generations):
                began = time.perf_counter()
                made = evolve(
                    arena,
                    menu,
                    parents,
                    seen=seen,
                    rng=search_seed(0, number),
                    fitness=fitness,
                    operators=operators,
                )
                parents, scored = made.survivors, scored + len(made.scored)
                searched = time.perf_counter()
                lines = history_lines(made.scored, stage="classes", generation=number, names=inside)
                size = Journal(Path(folder) / "history.jsonl", size, later).append(lines)
                took["search"] += searched - began
                took["history"] += time.perf_counter() - searched
            waited = time.perf_counter()
            later.close()  # the last generations' lines are still under way
            took["history"] += time.perf_counter() - waited
            written = (Path(folder) / "history.jsonl").stat().st_size
        processor = time.process_time() - processor
        spent = sum(took.values())
        print(
            f"search, {label}: {scored / spent:>10,.0f} candidates/s  ({scored:,} in {spent:.2f} s, "
            f"of them {took['history']:.2f} s for {written:,} bytes of history; "
            f"{scored / processor:,.0f} a second of processor time)"
        )

    # Scoring alone, of single edits, as the issue of incremental algebra is put.
    edits = [
        edit
        for n in range(20)
        for edit in proposals((start,), menu, search_seed(1, n), (Add(400), Remove(400), Replace(400)))
    ]
    parents_sums = arena.parents((start,))
    began = time.perf_counter()
    for outcomes in arena.score(parents_sums, edits):
        fitness(outcomes)
    spent = time.perf_counter() - began
    print(f"scoring single edits alone: {len(edits) / spent:>10,.0f} candidates/s")

    # The plain way: gather every vector of every class anew, average, multiply with all images.
    some = edits[:300]
    began = time.perf_counter()
    for edit in some:
        gone = {inside[part] for part in edit.removed}
        parts = torch.tensor([*(p for p in book if p not in gone), *(inside[part] for part in edit.added)])
        sums = torch.zeros(given.classes, given.width, dtype=torch.float64).index_add_(
            0, owner[parts], texts[parts]
        )
        logits = scale * images @ torch.nn.functional.normalize(sums, dim=1).T
        loss = torch.nn.functional.cross_entropy(logits, labels)
        _ = float(loss), float((logits.argmax(1) == labels).double().mean())
        _ = logits.topk(5, dim=1)
    spent = time.perf_counter() - began
    print(f"re-gathering every vector: {len(some) / spent:>10,.0f} candidates/s")


if __name__ == "__main__":
    main()
