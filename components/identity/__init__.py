"""Keys, certificates and passwords: made once, kept as secrets in the state, renewed one by one."""
