"""Simulated owners: hidden rules over the aviary, and somebody who answers and labels by one of them."""
