"""The HTTP API: thin handlers over core.operations and core.views."""
