"""Download, verify, read and transform images."""
