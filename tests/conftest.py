"""What every test shares. Servers of tests live in tests/servers.py."""

from hypothesis import HealthCheck, settings

# Timing is measured by benchmarks, never by tests: a slow machine is no failure.
settings.register_profile("earshot", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("earshot")
