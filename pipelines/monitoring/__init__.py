"""Metrics of relays, verifications and writers, to where they are watched; the alarms on them (docs/monitoring.md).

metric        what a metric is: a measure, its value, its dimensions
measures      every measure that Crossover emits
latencies     how long deliveries took, in bounded memory
relay         the metrics of a relay's health and work
verification  those of a verification
sinks         where metrics go: opened from `--metrics`, never in the way of the work
emf, cloudwatch, prometheus   the sinks themselves
alarms        which alarms a migration wants; checks_due, how long a check may stay away
applying      makes them in CloudWatch, with their topic; dashboard, prometheus_rules: what else watches
"""
