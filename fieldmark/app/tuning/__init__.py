"""Writes labels and rationales as data that a vision-language model can be tuned on."""
