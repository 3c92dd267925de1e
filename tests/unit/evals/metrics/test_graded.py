from fieldmark.evals.metrics.graded import graded_error
from fieldmark.records import CandidateClass, Prediction
from fieldmark.tools.datasets.class_tree import class_tree

TREE = class_tree(
    {"grey heron": "heron", "purple heron": "heron", "wren": "songbird", "heron": "bird", "songbird": "bird"},
    ("grey heron", "purple heron", "wren"),
)


def predicted(label: str, truth: str | None, branch: str | None = None) -> Prediction:
    return Prediction(
        image="a.png",
        image_hash="0",
        label=label,
        confidence=0.5,
        status="open" if branch else "resolved",
        candidates=(CandidateClass(class_name=label, probability=0.5),),
        candidates_left=2 if branch else 1,
        rounds=0,
        coarse_label=branch,
        coarse_probability=0.97 if branch else None,
        truth=truth,
    )


def test_labels_branches_and_steps_against_the_truth():
    graded = graded_error(
        [
            (
                [
                    predicted("wren", "wren"),
                    predicted("grey heron", "purple heron", "heron"),  # wrong label, right branch, 2 steps
                    predicted("grey heron", "grey heron", "heron"),
                    predicted("grey heron", "wren", "heron"),  # wrong branch, 4 steps
                    predicted("grey heron", None, "heron"),  # truth not known
                    predicted("grey heron", "stork", "heron"),  # of no class
                ],
                TREE,
            )
        ]
    )
    assert graded is not None
    assert (graded.images, graded.right_label, graded.tree_distance) == (4, 0.5, 1.5)
    assert (graded.grouped, graded.group_classes) == (3, 2.0)
    assert (graded.right_group, graded.right_label_of_grouped) == (0.6667, 0.3333)


def test_runs_are_pooled_each_with_its_own_tree():
    other = class_tree({"a": "x", "b": "x", "c": "y", "d": "y", "x": "z", "y": "z"}, tuple("abcd"))
    graded = graded_error([([predicted("wren", "wren")], TREE), ([predicted("a", "c")], other)])
    assert graded is not None
    assert (graded.images, graded.right_label, graded.tree_distance) == (2, 0.5, 2.0)
    assert (graded.grouped, graded.right_group, graded.group_classes) == (0, None, None)


def test_without_truth_there_is_nothing_to_say():
    assert graded_error([]) is None
    assert graded_error([([predicted("wren", None)], TREE)]) is None
