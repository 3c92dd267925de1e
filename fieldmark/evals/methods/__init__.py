"""The methods of the field under one protocol: one file a method or a family of variants, one registry.

They know nothing of the labels of test images, of statistics or of reports.
"""
