"""The configuration: its shape, its rules, and the addresses that follow from it. No Pulumi in here."""

import os

# pydantic looks for plugins of its own in all packages that are installed, which takes longer than to read all files.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
