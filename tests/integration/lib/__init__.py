"""What the integration tests stand on: a proxy to test, origins behind it, clients before it."""
