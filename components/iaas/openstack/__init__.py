"""A site's machines on OpenStack."""
