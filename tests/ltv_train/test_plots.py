"""Pictures that must be drawn whatever a fit left behind."""

from ltv_train import plots


def test_a_fit_that_held_nobody_back_has_a_curve_without_validation() -> None:
    rows = [{"epoch": 1.0, "step": 5.0, "train_loss": 1.5}, {"epoch": 2.0, "step": 10.0, "train_loss": 1.2}]
    picture = plots.learning_curve({"refit": rows, "fold": [row | {"validation_loss": 1.4} for row in rows]})
    assert picture.startswith(plots.learning_curve({"refit": rows})[:20])
