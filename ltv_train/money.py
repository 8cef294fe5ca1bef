"""How amounts are written. May import: report, for a number that is not there."""

from dataclasses import dataclass

from ltv_train.report import number


@dataclass(frozen=True)
class Money:
    """A currency, and how many minor units make one of it; amounts come in minor units."""

    currency: str
    minor_per_unit: int

    def __call__(self, minor: float, spec: str = ",.2f") -> str:
        """The amount in units of the currency, for a column that names it; a dash where it is not defined.

        >>> Money("EUR", 100)(123456), Money("EUR", 100)(float("nan"))
        ('1,234.56', '-')
        """
        return number(minor / self.minor_per_unit, spec)

    def said(self, minor: float) -> str:
        """The amount with its currency, for a sentence; cents only where they matter.

        >>> Money("EUR", 100).said(1234567), Money("EUR", 100).said(1250), Money("JPY", 1).said(1250)
        ('EUR 12,346', 'EUR 12.50', 'JPY 1,250')
        """
        cents = self.minor_per_unit > 1 and abs(minor) < 100 * self.minor_per_unit
        return f"{self.currency} {self(minor, ',.2f' if cents else ',.0f')}"
