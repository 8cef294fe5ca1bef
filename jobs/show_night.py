"""Prints what the last published night came to: rows, users, the model against baselines, and where its files lie."""

from jobs._entry import Run, start
from ltv_features import files
from ltv_features.as_of import on_night
from ltv_features.contract import OUTCOMES
from ltv_features.errors import InputMissing
from ltv_train.judging.uncertainty import Interval
from ltv_train.report import number
from ltv_train.score import nights, outcomes

NEEDS_SPARK = True


def main(run: Run) -> None:
    """The newest night up to `--as-of`. Reads tables and manifests only; prints to standard output."""
    lake, root = run.lake, run.settings.lake.root
    last = nights.last_published(lake, run.as_of)
    row = nights.published(lake, last) if last else None
    if last is None or row is None:
        raise InputMissing(f"no night up to {run.as_of} is published; next: deploy/local/run.sh for a date")
    night = str(last)
    landed = lake.read("ledger").where("job = 'land_files'").where(on_night(last)).collect()
    print(f"night {night}")
    print(f"  rows landed    {sum(hop['rows_in'] for hop in landed):>12,}")
    print(f"  users scored   {row['eligible_users']:>12,}")
    known = lake.read(OUTCOMES.name).where(on_night(last)).collect() if lake.exists(OUTCOMES.name) else []
    if happened := [one.asDict() for one in known]:
        print("\n  users with an order before the night, of whom every candidate spoke:")
        print("  what happened    days    Gini [90 %]              Spearman  MAE of the median [90 %]  top decile")
        for one, sure in outcomes.with_intervals(happened):
            gini, error = _with_ends(sure.gini, ".4f"), _with_ends(sure.mae, ".2f")
            ranks = f"{gini:<24}{number(one.spearman, '>9.4f')}  {error:<25}{one.top_decile_capture:>9.1%}"
            print(f"  {one.candidate:<16}{one.horizon_days:>5}  {ranks}")
    told = files.join(root, "training", night, "recommender", "recommender.json")
    if files.exists(told):
        print("\n  next basket         Recall@20   NDCG@10")
        for name, measures in files.read_json(told)["table"].items():
            print(f"  {name:<20}{measures['recall_at_20']:>9.4f}{measures['ndcg_at_10']:>10.4f}")
    print(f"\n  report    {files.join(root, 'reports', night, 'evaluation.html')}")
    if files.exists(files.join(root, "reports", night, "outcome.html")):
        print(f"  outcome   {files.join(root, 'reports', night, 'outcome.html')}")
    export = run.settings.export
    delivered = [name for name in files.list_files(files.join(export.folder, export.destination)) if night in name]
    for name in delivered:
        print(f"  export    {files.join(export.folder, export.destination, name)}")


def _with_ends(of: Interval, spec: str) -> str:
    return f"{number(of.value, spec)} [{number(of.low, spec)}, {number(of.high, spec)}]"


if __name__ == "__main__":
    raise SystemExit(start(main, needs_spark=NEEDS_SPARK))
