"""Curation: data in, data out. Importing this package loads nothing heavy."""
