"""Diversity selection: fewer rows that cover the rest. Importing this package loads nothing heavy."""
