"""How a basket is paid. Together with `coupons`, whose format it must know."""

from . import basket, coupons

EDITION = 1
UNDERSTANDS = 1
TOOK = {"basket": basket.EDITION, "coupons": coupons.EDITION}


def pay(items: list[str], percent: int) -> dict[str, int]:
    """Return what is to be paid, and the format of the coupon beside the one understood here."""
    written, percent = coupons.coupon(percent)
    to_pay = sum(basket.total(items).values()) * (100 - percent) // 100
    return {"to_pay": to_pay, "written": written, "understood": UNDERSTANDS}
