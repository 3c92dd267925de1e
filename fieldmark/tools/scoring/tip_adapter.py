"""Tip-Adapter without training: a cache of labelled images corrects the text classifier."""

import torch
from torch import Tensor

from fieldmark.tools.scoring.fitting import Support, fitting_support, fitting_vectors
from fieldmark.tools.scoring.vectors import image_steps, unit


def tip_adapter_scores(
    image_vectors: Tensor,
    class_vectors: Tensor,
    *,
    support: Support,
    logit_scale: float,
    alpha: float = 1.0,
    beta: float = 5.5,
) -> Tensor:
    """Text logits plus what the labelled images near an image say.

        score = s·f·Wᵀ + α·exp(−β(1 − f·Kᵀ))·L

    with W the class vectors, K the unit vectors of the support images (keys) and L their labels as one-hot
    rows (values). L is summed, not averaged: a class with more support images gets more. `alpha` stands
    beside `logit_scale`: the authors' values are for s = 100, and the same α weighs about six times as much
    at s = 16. A class without support keeps its text logit.

    The authors' keys are the mean of ten randomly cropped views of an image, averaged **before** they are
    scaled to length one; give such a mean as a support vector to do the same (keys are scaled here). Their
    published figures search α and β on the validation images, in the released code from 0.1 up; the values
    given here are the defaults of the paper's ablation on ImageNet.

    Source: Zhang et al. 2022, section 3.1 (cache model and "Tip-Adapter" inference), and released code,
    which agree.

    Args:
        image_vectors: Unit image vectors [N, D].
        class_vectors: Unit class vectors [C, D], from `class_prototypes` for one.
        support: Labelled images.
        logit_scale: The encoder's factor s on cosines.
        alpha: Weight of the cache (residual ratio).
        beta: How sharply similarity counts.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If shapes do not fit, or a label is no class.
    """
    images, weights = fitting_vectors(image_vectors, class_vectors)
    keys, labels = fitting_support(support, len(weights), images.shape[1])
    keys = unit(keys)
    scores = logit_scale * (images @ weights.T)
    for step in image_steps(len(images), 2 * len(keys) + len(weights)):
        affinity = torch.exp(beta * (keys @ images[step].T - 1))
        scores[step] += alpha * label_sums(affinity, labels, len(weights))
    return scores


def label_sums(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Sum over the support images of each class: valuesᵀ·onehot without the one-hot matrix.

    Args:
        values: One row per support image [S, n].
        labels: Class of each support image [S], int64.
        classes: C.

    Returns:
        [n, C], of the type of `values`.
    """
    return values.new_zeros(classes, values.shape[1]).index_add_(0, labels, values).T
