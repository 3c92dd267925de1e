"""Vectors a second that a head scores, by kind: with its own layers, and as the exported ONNX model.

python benchmarks/speed/heads.py --width 512
"""

import argparse
import time

import numpy as np
import torch

from fieldmark.records import Clause, Definition
from fieldmark.tools.concepts.heads.network import Head, HeadNetwork, Layer, Route
from fieldmark.tools.concepts.heads.onnx_graph import onnx_model
from fieldmark.tools.concepts.heads.train import HIDDEN


def made_head(width: int, hidden: int, route: Route, clauses: int) -> Head:
    definition = Definition(
        clauses=tuple(Clause(id=f"c{n}", role="necessary", text=f"clause {n}") for n in range(clauses))
    )

    def layer(out: int, size: int) -> Layer:
        return Layer(torch.randn(out, size) / size**0.5, torch.zeros(out))

    network = HeadNetwork(layer(clauses + 1, hidden or width), layer(hidden, width) if hidden else None)
    return Head(network, route, definition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--clauses", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    vectors = torch.nn.functional.normalize(torch.randn(given.vectors, given.width), dim=1)
    for hidden in (0, HIDDEN):
        for route in ("direct", "logic"):
            head = made_head(given.width, hidden, route, given.clauses)
            rates = [rate(lambda head=head: head.probabilities(vectors), given) for _ in range(given.turns)]
            line = f"{head.kind}: {np.median(rates) / 1e6:.2f} million vectors a second"
            try:
                import onnxruntime
            except ImportError:
                print(line)
                continue
            session = onnxruntime.InferenceSession(onnx_model(head).SerializeToString())
            rates = [rate(lambda s=session: by_onnx(s, vectors.numpy()), given) for _ in range(given.turns)]
            print(f"{line}; {np.median(rates) / 1e6:.2f} by ONNX")


def rate(task, given) -> float:
    begun = time.perf_counter()
    task()
    return given.vectors / (time.perf_counter() - begun)


def by_onnx(session, vectors: np.ndarray) -> None:
    for start in range(0, len(vectors), 1 << 16):
        session.run(None, {"vectors": vectors[start : start + (1 << 16)]})


if __name__ == "__main__":
    main()
