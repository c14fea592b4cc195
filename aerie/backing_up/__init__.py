"""Copies of a federation and its restoration from them: `aerie backup`, `aerie restore`. See docs/backup.md."""
