"""CLIP encoders: weights, network, devices, adapters."""
