"""Image vectors tuned to descriptions: bags of texts, losses, a linear map, low-rank changes."""
