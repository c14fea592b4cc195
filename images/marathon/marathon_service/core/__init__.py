"""Decisions only: no I/O, no clock, no randomness.  Times are seconds since the epoch, given by the caller."""
