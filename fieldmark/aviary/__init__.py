"""The aviary: a small embedded world of drawn birds in which every method can be measured.

Knows nothing about agents, language models or the network; importing it loads nothing.
"""
