"""Training: models. Importing this package loads nothing heavy."""
