"""What would fit, when a configuration's layers do not: the mend beside the refusal."""

from dataclasses import replace

from convchoice.geometry import GeometryError, Plan, plan
from convchoice.schema import Config, Operator, Padding

SMALLEST_WEIGHTED_WINDOW = 3


def _fits(config: Config, input_shape: tuple[int, int, int] | None) -> bool:
    try:
        plan(config, input_shape)
    except GeometryError:
        return False
    return True


def _candidates(config: Config) -> list[list[tuple[str, Config]]]:
    """Changes of one key, as overrides with their configurations, the smallest change first."""
    conv, downsample, steps = config.conv, config.downsample, config.model.downsample_after
    weighted = downsample.operator is Operator.weighted
    smallest = max(SMALLEST_WEIGHTED_WINDOW if weighted else 1, 2 * downsample.padding)
    return [
        [
            (f"conv.kernel_size={size}", replace(config, conv=replace(conv, kernel_size=size)))
            for size in range(conv.kernel_size - 1, 0, -1)
        ],
        [
            (
                f"downsample.window={size}",
                replace(config, downsample=replace(downsample, window=size)),
            )
            for size in range(downsample.window - 1, smallest - 1, -1)
        ],
        [("conv.padding=same", replace(config, conv=replace(conv, padding=Padding.same)))],
        [
            (
                f"model.downsample_after={steps[:count]}".replace(" ", ""),
                replace(config, model=replace(config.model, downsample_after=steps[:count])),
            )
            for count in range(len(steps) - 1, -1, -1)
        ],
    ]


def what_fits(config: Config, input_shape: tuple[int, int, int] | None = None) -> list[str]:
    """The smallest changes of one key each that make a configuration fit, as overrides.

    Args:
        config: a configuration whose layers do not fit.
        input_shape: (C, H, W) of one image; None takes that of the configuration's data.

    Returns:
        At most four: a smaller kernel, a smaller window, "same" padding, fewer downsampling steps.
    """
    found = (
        next((text for text, changed in tried if _fits(changed, input_shape)), None)
        for tried in _candidates(config)
    )
    return [text for text in found if text is not None]


def fitting_plan(config: Config, input_shape: tuple[int, int, int] | None = None) -> Plan:
    """The plan of a configuration, or a refusal that says what would fit.

    Raises:
        GeometryError: naming the first layer that does not fit, its sizes, the rule, and the
            nearest changes that would fit.
    """
    try:
        return plan(config, input_shape)
    except GeometryError as error:
        fits = what_fits(config, input_shape)
        mend = f"What fits: {', or '.join(fits)}." if fits else "No change of one key makes it fit."
        raise GeometryError(f"{error} {mend}") from None
