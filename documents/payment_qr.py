"""The payment code of a bill, by GOST R 56042-2014: what a bank's application needs to fill in a transfer.

The standard asks for the five obligatory requisites first, in this order, then whichever others there are, parted by `|`.
`ST00012` says: format of payments, version 0001, text in UTF-8.
"""

import io
from dataclasses import dataclass

import segno

HEAD = "ST00012"
LONGEST = {"Name": 160, "BankName": 45, "Purpose": 210}


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """To whom, for what, and how much in kopecks; without a sum (None) the payer names it."""

    name: str
    personal_account: str
    bank_name: str
    bic: str
    correspondent_account: str
    payee_inn: str
    kpp: str
    purpose: str
    payer_account: str
    """The number of the account that is paid for."""
    sum_kopecks: int | None = None

    def text(self) -> str:
        """The content of the code. Raises ValueError for a value that the standard cannot carry."""
        fields = {
            "Name": self.name,
            "PersonalAcc": self.personal_account,
            "BankName": self.bank_name,
            "BIC": self.bic,
            "CorrespAcc": self.correspondent_account,
            "PayeeINN": self.payee_inn,
            "KPP": self.kpp,
            "Sum": "" if self.sum_kopecks is None else str(self.sum_kopecks),
            "Purpose": self.purpose,
            "PersAcc": self.payer_account,
        }
        if self.sum_kopecks is not None and self.sum_kopecks <= 0:
            raise ValueError("a payment is above zero")
        for name, value in fields.items():
            if "|" in value or not value.isprintable():
                raise ValueError(f"{name} cannot stand in a payment code: {value!r}")
            if not value and name != "Sum":
                raise ValueError(f"{name} is empty")
        cut = {name: value[: LONGEST.get(name)] for name, value in fields.items() if value}
        return "|".join([HEAD, *(f"{name}={value}" for name, value in cut.items())])

    def svg(self) -> str:
        """The code as a picture, without a margin: four modules of white around it are the paper's to leave."""
        code = segno.make_qr(self.text(), encoding="utf-8", error="m", boost_error=False)
        drawn = io.BytesIO()
        code.save(drawn, kind="svg", xmldecl=False, border=0)
        return drawn.getvalue().decode()
