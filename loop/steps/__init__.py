"""The steps of a cycle: one file a step, each a function from a context to an outcome."""
