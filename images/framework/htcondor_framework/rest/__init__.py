"""The REST interface: what the pool does, its policy, and the administrator's words."""
