"""Measures of predicted spend as plain loops over users, given as (truth, prediction) pairs."""

import math


def tied_mean(pairs, level):
    same = [truth for truth, predicted in pairs if predicted == level]
    return sum(same) / len(same)


def best_first(pairs):
    """[(prediction, mean truth of the users who share it)] of every user."""
    return [(level, tied_mean(pairs, level)) for level in sorted((p for _, p in pairs), reverse=True)]


def naive_gini(pairs):
    """Over all pairs of users, how much more the one ranked higher spent; a tie tells nothing."""
    total, users = sum(truth for truth, _ in pairs), len(pairs)
    if total == 0:
        return math.nan
    gap = sum(one - other for one, higher in pairs for other, lower in pairs if higher > lower)
    return gap / (users * total)


def naive_normalised_gini(pairs):
    best = naive_gini([(truth, truth) for truth, _ in pairs])
    return naive_gini(pairs) / best if best > 0 else math.nan


def average_ranks(values):
    return [sum(other < one for other in values) + (1 + values.count(one)) / 2 for one in values]


def naive_spearman(pairs):
    first, second = (average_ranks(list(side)) for side in zip(*pairs, strict=True))
    middle = (len(pairs) + 1) / 2
    shared = sum((x - middle) * (y - middle) for x, y in zip(first, second, strict=True))
    spread = math.prod(sum((x - middle) ** 2 for x in side) for side in (first, second))
    return shared / math.sqrt(spread) if spread else math.nan


def naive_capture(pairs):
    """Fill a tenth of the users from the front, the last one in part."""
    room, caught, total = len(pairs) / 10, 0.0, sum(truth for truth, _ in pairs)
    for _, spend in best_first(pairs):
        taken = min(1.0, room)
        caught, room = caught + taken * spend, room - taken
    return caught / total if total else math.nan


def naive_deciles(pairs):
    """(users, mean prediction, mean truth) of ten groups; the first `len % 10` groups have one user more."""
    ranked, groups, start = best_first(pairs), [], 0
    for number in range(10):
        size = len(ranked) // 10 + (number < len(ranked) % 10)
        part, start = ranked[start : start + size], start + size
        means = [sum(column) / size for column in zip(*part, strict=True)] if size else [math.nan, math.nan]
        groups.append((size, *means))
    return groups
