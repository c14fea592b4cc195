"""federation.yaml and the stacks' files: what is written into them, checked before it is written."""
