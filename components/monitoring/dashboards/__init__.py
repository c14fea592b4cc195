"""Dashboards for Grafana, made from the table of metrics by pure functions. See docs/dashboards.md."""
