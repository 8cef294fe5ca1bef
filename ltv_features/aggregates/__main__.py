"""`python -m ltv_features.aggregates`: the list of features as a Markdown page."""

from ltv_features.aggregates import page

if __name__ == "__main__":
    print(page())
