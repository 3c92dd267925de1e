"""Average precision and F1 class by class."""

import numpy as np
import pytest

from fieldmark.errors import InputError
from fieldmark.evals.metrics.multi_label import class_f1, class_precision

TRUTH = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0]], dtype=bool)


def test_average_precision_goes_by_the_order_within_a_class() -> None:
    scores = np.array([[9.0, 1, 0.3], [8.0, 2, 0.1], [7.0, 3, 0.2], [6.0, 4, 0.0]])
    # First class: right at places 1 and 3. Third: at 2 and 3. Of the second there is no image.
    found = class_precision(scores, TRUTH)
    assert found[[0, 2]] == pytest.approx([5 / 6, 7 / 12])
    assert np.isnan(found[1])
    assert class_precision(scores * [1, 1, 50] + [0, 0, 7], TRUTH)[[0, 2]] == pytest.approx(found[[0, 2]])


def test_f1_is_nought_where_nothing_was_found() -> None:
    holds = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
    found = class_f1(holds, TRUTH)
    assert found[[0, 2]].tolist() == [0.5, 0.0]
    assert np.isnan(found[1])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        class_f1(TRUTH[:2], TRUTH)
