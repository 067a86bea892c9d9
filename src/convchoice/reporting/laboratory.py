"""What the page's laboratory holds: trained networks of the studies, and test images.

Pure functions: no files, no HTML.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.result import Comparison
from convchoice.analysis.trained_networks import TrainedNetworks

MOST_IMAGES = 12


def laboratory(
    comparisons: Sequence[Comparison], networks: Mapping[str, TrainedNetworks], room: int
) -> dict[str, Any] | None:
    """The networks and images of a page, None where there are not two networks with room for them.

    An arm that several studies have is there once. Networks come in the order of the studies and
    arms, as many as there is room for; images are the first that the result of the first of
    these studies shows, because arms differ on them.

    Args:
        comparisons: the page's studies, in its order.
        networks: by study.
        room: characters that the weights may take.
    """
    shown = [each for each in comparisons if each.study.name in networks]
    arms: dict[str, Any] = {}
    size = 0
    for comparison in shown:
        trained = networks[comparison.study.name].networks
        for arm in comparison.arms:
            if arm not in trained or arm in arms:
                continue
            size += sum(
                len(layer.weight.values_base64) for layer in trained[arm].layers if layer.weight
            )
            if size <= room:
                values = trained[arm].model_dump(mode="json", exclude_none=True)
                arms[arm] = {"label": comparison.study.label(arm), **values}
    if len(arms) < 2:  # noqa: PLR2004 - two arms answer side by side
        return None
    pictures = list(shown[0].pictures.items())[:MOST_IMAGES]
    return {
        "arms": [{"name": arm, **values} for arm, values in arms.items()],
        "images": [{"number": index, "pixels": each.pixels_base64} for index, each in pictures],
    }
