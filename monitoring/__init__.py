"""A dashboard for Grafana, alert rules for Prometheus, and a Prometheus to try them with."""
