"""Searches for better words of questions, and reads and writes what was found."""
