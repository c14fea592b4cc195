"""The operator's command: `aerie`. What decides is in plain functions; `commands` are the thin shells around them."""
