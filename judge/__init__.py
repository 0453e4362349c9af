"""Judge: opinions about answers. Importing this package loads nothing heavy."""
