"""Traces from elsewhere: one file a format, each of which turns objects into events."""
