"""Writes a run's linear student and its rejection as an ONNX model."""

import json

import numpy as np

from fieldmark.errors import InputError
from fieldmark.tools.exports.onnx_nodes import INPUT, OnnxNodes, onnx_installed
from fieldmark.tools.learned.contest import STUDENT, Learned
from fieldmark.tools.learned.stored import LearnedConfig

ONNX = "classifier.onnx"
PROBABILITIES, DISTANCE, ASPECTS = "probabilities", "distance", "aspects"


def check_onnx() -> None:
    """Refuse to go on where the package `onnx` is missing.

    Raises:
        InputError: It is.
    """
    if not onnx_installed():
        raise InputError(
            "The package onnx is not installed.",
            hint='Install it with pip install "fieldmark[onnx]", or export without an ONNX model.',
            field="onnx",
        )


def student_onnx(learned: Learned, config: LearnedConfig) -> bytes:
    """The student as an ONNX model; see `StoredClassifier.with_none` for what it gives.

    Its input is `vectors`, unit vectors float32 `[N, D]` of the encoder that the model's metadata names. Its
    outputs are `probabilities` `[N, C + 1]`, the last one that of none of the classes, `distance` `[N]` to
    the nearest class mean, and, where it has any, `aspects` `[N, A]`, the probability of each.

    Args:
        learned: What was learned.
        config: What it is.
    """
    graph = OnnxNodes()
    temperature = config.contenders[STUDENT].temperature
    student, means = learned.student, learned.means.means[learned.means.known]
    logits = graph.affine(INPUT, student.weight / temperature, student.bias / temperature)
    own_aspects = learned.aspects
    if own_aspects is not None:
        heads = own_aspects.heads
        seen = graph.add("Sigmoid", graph.affine(INPUT, heads.weight, heads.bias), name=ASPECTS)
        if own_aspects.trial.alpha:
            share = heads.share / temperature
            logits = graph.add("Add", logits, graph.affine(seen, share, -(share @ heads.middle)))
    shares = graph.add("Softmax", logits, axis=1)
    own = graph.add("ReduceSumSquare", INPUT, axes=[1], keepdims=1)
    apart = graph.add("Add", own, graph.affine(INPUT, -2 * means, means.square().sum(1)))
    square = graph.add("Max", graph.add("ReduceMin", apart, axes=[1], keepdims=1), graph.number(0.0))
    distance = graph.add("Sqrt", square)
    farthest = np.inf if config.farthest is None else config.farthest
    none = graph.add("Cast", graph.add("Greater", distance, graph.number(farthest)), to=1)
    listed = graph.add("Mul", shares, graph.add("Sub", graph.number(1.0), none))
    graph.add("Concat", listed, none, axis=1, name=PROBABILITIES)
    graph.add("Squeeze", distance, graph.integers([1]), name=DISTANCE)
    classes = len(config.classes)
    outputs: dict[str, list[str | int]] = {PROBABILITIES: ["N", classes + 1], DISTANCE: ["N"]}
    texts: list[str] = []
    if own_aspects is not None:
        texts = [each.text for each in own_aspects.aspects]
        outputs[ASPECTS] = ["N", len(texts)]
    model = graph.model("student", width=config.encoder.width, outputs=outputs)
    for key, value in {
        "classes": json.dumps([*config.classes, None], ensure_ascii=False),
        "encoder": config.encoder.name,
        "encoder_identity": config.encoder.identity,
        "run": config.run,
        **({"aspects": json.dumps(texts, ensure_ascii=False)} if texts else {}),
    }.items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()
