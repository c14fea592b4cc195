"""`aerie explain`: why a job waits, as HTCondor and the pool's framework know it."""
