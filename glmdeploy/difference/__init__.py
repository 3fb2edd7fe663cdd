"""Two deployments compared."""
