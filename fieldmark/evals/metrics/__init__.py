"""Measures of predictions: accuracy, calibration, graded error, selection."""
