"""Run folders: specification, fingerprint, environment, files, checksums, locks, events."""
