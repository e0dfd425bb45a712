"""The wire: one HTTP client for everything, its retries, logins and heartbeats. Knows no XNAT types."""
