"""How well a batch of image vectors fits the bags of texts of its classes: two losses."""

import torch
from torch import Tensor


def texts_loss(logits: Tensor, positive: Tensor, own: Tensor) -> Tensor:
    """Cross-entropy between images and texts, both ways, every text of the image's bag a right answer.

    `mean_images mean_positives −log softmax_texts + mean_texts mean_positives −log softmax_images`: the loss
    of AdaptCLIPZS as released (Saha et al. 2024), which draws one text per image of a batch; here all texts
    take part at once, as their vectors are at hand, and the temperature is not learned. Texts of the image's
    own bag that are not among its positives (see `matched_texts`) are neither right nor wrong for it.

    Args:
        logits: Scaled similarities of images and distinct texts `[B, M]`.
        positive: Which texts are right for which image `[B, M]` bool, at least one a row, within `own`.
        own: Which texts are in the bag of the image's class `[B, M]` bool.

    Returns:
        The loss, a scalar. Texts that are right for no image of the batch take part in the first term alone.
    """
    counted = logits.masked_fill(own & ~positive, -torch.inf)
    by_image = _mean_right(counted.log_softmax(1), positive, 1).mean()
    used = positive.any(0)
    if not used.all():  # a copy of such a table is dear, and in most batches all texts are right for somebody
        counted, positive = counted[:, used], positive[:, used]
    by_text = _mean_right(counted.log_softmax(0), positive, 0).mean()
    return by_image + by_text


def bags_loss(logits: Tensor, member: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over classes, a class's logit being the mean over the texts in its bag.

    It tunes the very score that classification by description takes (DCLIP, Menon & Vondrick 2023): a text
    that only one class mentions but others would share costs little, as bags compete, not texts.

    Args:
        logits: Scaled similarities of images and distinct texts `[B, M]`.
        member: Which texts are in which bag `[C, M]` bool.
        labels: The class of each image `[B]` int64.

    Returns:
        The loss, a scalar.
    """
    share = member.to(logits.dtype)
    pooled = logits @ (share / share.sum(1, keepdim=True)).T
    return torch.nn.functional.cross_entropy(pooled, labels)


def _mean_right(log_p: Tensor, positive: Tensor, dim: int) -> Tensor:
    return -log_p.masked_fill(~positive, 0.0).sum(dim) / positive.sum(dim)
