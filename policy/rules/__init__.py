"""What must hold, as functions from resources to violations. No Pulumi here: the pack, the tests and the tools ask alike."""
