"""Run folders: specification and fingerprint, files, reading, ownership, locks, events."""
