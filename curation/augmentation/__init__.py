"""Augmentation: new rows from old ones, with guards. Importing this package loads nothing heavy."""
