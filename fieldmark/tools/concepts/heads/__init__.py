"""Small classifiers of a concept on top of frozen image vectors: fitted, chosen, calibrated, exported.

They know nothing of encoders, owners or language models; imports name the modules below.
"""
