"""Simulated owners: hidden rules over the aviary, and somebody who answers and labels by one of them.

They know nothing of how a concept is found out; nothing outside of this folder reads a rule.
"""
