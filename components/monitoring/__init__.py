"""Metrics: a collector at each site, and Graphite at one. See docs/monitoring.md."""
