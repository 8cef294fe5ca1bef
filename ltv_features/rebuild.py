"""A source read as a whole again: after rows were taken out of a shop's own table, or after its mapping was corrected.

Its events are replaced in one commit. The next night finds in the change feed whose events went or came and makes those
users anew; profiles, items and links are merged as always, so what they said before stays.
"""

from datetime import date

from ltv_features.config import FeatureConfig
from ltv_features.ingest import ingest
from ltv_features.land import land_anew
from ltv_features.ledger import Hop
from ltv_features.tables import Lake


def rebuild(lake: Lake, settings: FeatureConfig, name: str, *, as_of: date, run_id: str) -> list[Hop]:
    """The hops of an ingest in which the source is read as a whole; of an external table what it is now.

    Killed in between, it is run again.
    """
    source = settings.sources[name]
    if source.format == "delta":
        land_anew(lake, name, source)
    return ingest(lake, settings, as_of=as_of, run_id=run_id, afresh=[name])
