"""Image vectors tuned to descriptions: bags of texts, losses, a linear map, low-rank changes, the encoder.

They know nothing of language models or of how classes are scored; imports name the modules below.
"""
