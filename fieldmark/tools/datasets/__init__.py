"""Labelled test sets as they lie on people's disks, and what is known of the published ones.

They know nothing of prompts, models or reports; nothing is ever downloaded. Imports name the modules below.
"""
