"""The outcome of a study's claim: "this arm is better than every arm it is compared with"."""

from collections.abc import Sequence

from convchoice.analysis.result import Claim, ClaimPair
from convchoice.analysis.result_contrast import Contrast
from convchoice.analysis.sentences import claim_sentence
from convchoice.analysis.verdict import Verdict, claim_verdict_of
from convchoice.config.study import Study


def claim_pairs(study: Study) -> list[tuple[str, str]]:
    """The comparisons that the claim needs, as (arm claimed to be better, opponent).

    The claim's arm is compared with each arm that has it as reference. An arm with another
    reference (`study.against`) is compared with that one: with ``average_4x4`` against
    ``max_4x4``, "max is better" is tested within the 4×4 window. Controls are no opponents.
    """
    references = {study.reference(arm) for arm in study.arms}
    pairs = []
    for arm in study.arms:
        if arm == study.claim_arm:
            pairs.append((arm, study.reference(arm)))
        elif study.claim_arm in references and arm not in {*references, *study.controls}:
            pairs.append((study.reference(arm), arm))
    return pairs


def claim_of(study: Study, contrasts: Sequence[Contrast]) -> Claim | None:
    """The outcome of a study's claim; None if it claims nothing of one arm."""
    found = {(item.arm, item.reference): item.verdict for item in contrasts}
    found |= {(reference, arm): verdict.mirrored for (arm, reference), verdict in found.items()}
    # A pair that could not be compared because an arm failed shows nothing.
    verdicts = {pair: found.get(pair, Verdict.inconclusive) for pair in claim_pairs(study)}
    if not verdicts:
        return None
    return Claim(
        arm=study.claim_arm,
        pairs=[
            ClaimPair(arm=arm, opponent=opponent, verdict=verdict)
            for (arm, opponent), verdict in verdicts.items()
        ],
        verdict=claim_verdict_of(list(verdicts.values())),
        sentence=claim_sentence(verdicts),
    )
