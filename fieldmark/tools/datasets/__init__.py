"""Labelled test sets as they lie on people's disks, and what is known of the published ones.

Imports name the modules below.
"""
