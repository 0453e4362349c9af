"""Loop: the room that joins curation, judge and training, and the command line."""
