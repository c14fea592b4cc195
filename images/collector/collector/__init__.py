"""Reads what a site's services say of themselves every ten seconds, and sends it to Graphite."""
