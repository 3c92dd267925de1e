"""Search over sets of prompts: candidates, operators, fitness, sampling, acceptance.

It knows nothing of models or graphs.
"""
