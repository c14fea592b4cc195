"""The status page: what Graphite and Marathon say of the federation, for those who look without Grafana."""
