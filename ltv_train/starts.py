"""Whether the refit of a network may begin where production ended, and why not.

A warm start is honest only when every label window of the new training begins after the last label that production has
seen. Otherwise the held-out users' outcomes, or a part of them, are in the weights already, and early stopping would be
judged on what was learned by heart. A past origin never starts warm: the folds judge the procedure.
May import: bundle, network, value_fit. No Ray.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ltv_features import files
from ltv_features.errors import BundleRefused, InputMissing
from ltv_train import warm_start
from ltv_train.bundle import Bundle, load_promoted
from ltv_train.bundle_rules import DIGESTS
from ltv_train.manifest import Manifest
from ltv_train.network import KIND, WEIGHTS_FILE
from ltv_train.value_fit import NetworkFit
from ltv_train.warm_start import STEPS_SHARE, Start
from ltv_train.weights import weights_of

log = logging.getLogger("ltv.train")
OFF = "train.warm_start is off"


@dataclass
class Starts:
    """Where the refits begin: `root` of the lake and the note of what served before the night (None: nothing did).

    `reasons` says of every network asked about how it starts, and why.
    """

    root: str = ""
    before: Mapping[str, Any] | None = None
    wanted: bool = False
    reasons: dict[str, str] = field(default_factory=dict)

    def of(self, name: str, fits: Sequence[NetworkFit], manifest: Manifest) -> list[NetworkFit]:
        """The fits of one network's refit, each begun from the member of production that stands in its place."""
        try:
            members = self._members(name, fits[0], manifest)
            begun = [self._begun(fit, members[place % len(members)], manifest) for place, fit in enumerate(fits)]
        except (_Cold, InputMissing, BundleRefused) as reason:
            self._say(name, f"cold: {reason}")
            return list(fits)
        for _, how in begun:
            self._say(name, how)
        return [fit for fit, _ in begun]

    def _begun(self, fit: NetworkFit, start: Start, manifest: Manifest) -> tuple[NetworkFit, str]:
        copied = warm_start.begin(fit.network(manifest), start, fit.encoding)
        if 2 * copied.tensors < copied.of_tensors:
            raise _Cold(
                f"only {copied.tensors} of {copied.of_tensors} tensors of production have the shape of this one's"
            )
        return replace(fit, start=start, steps_share=STEPS_SHARE), warm_start.told(copied, start)

    def _say(self, name: str, how: str) -> None:
        self.reasons[name] = how
        log.info("%s starts %s", name, how)

    def _members(self, name: str, fit: NetworkFit, manifest: Manifest) -> list[Start]:
        if not self.wanted:
            raise _Cold(OFF)
        if self.before is None:
            raise _Cold(f"nothing was promoted before {manifest.as_of}")
        served = load_promoted(files.join(self.root, self.before["bundle"]), self.before["digest"])
        own = _network_in(served, name)
        if own is None:
            raise _Cold(f"production {served.digest} ({self.before['name']}) holds no network {name!r}")
        for what in ("encoder", "head", "residual_on_anchor"):  # the same numbers would mean something else
            if own.config[what] != (wanted := getattr(fit.settings, what)):
                raise _Cold(f"production's {name!r} has {what} {own.config[what]!r}, this one {wanted!r}")
        oldest, seen = min(cutoff.date for cutoff in manifest.cutoffs), str(own.config["origin"])
        if oldest < seen:
            raise _Cold(f"the label windows begin at {oldest}, before {seen}, up to which production has seen labels")
        return _starts_of(own)


class _Cold(Exception):
    """Why a network starts at random."""


def _network_in(served: Bundle, name: str) -> Bundle | None:
    """The network of that name in a bundle: the bundle itself, or a member of a blend."""
    if served.kind == KIND and served.config.get("name") == name:
        return served
    if not (served.path / "members" / name / DIGESTS).is_file():
        return None
    member = served.member(name)
    return member if member.kind == KIND else None


def _starts_of(own: Bundle) -> list[Start]:
    named = weights_of(own, WEIGHTS_FILE)
    numbers = own.encoding().numbers
    prefixes = [f"{member}." for member in range(own.config["members"])]
    return [
        Start(own.digest, {n.removeprefix(prefix): v for n, v in named.items() if n.startswith(prefix)}, numbers)
        for prefix in prefixes
    ]
