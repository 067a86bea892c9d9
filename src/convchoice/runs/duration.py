"""Times for people, the same in progress, reports and tables."""


def duration(seconds: float) -> str:
    """A duration in words: ``8.3 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if round(seconds, 1) < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"
