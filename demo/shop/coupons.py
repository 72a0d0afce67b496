"""How a coupon is written. Together with `checkout`, which reads it."""

EDITION = 1
FORMAT = 1


def coupon(percent: int) -> tuple[int, int]:
    """Return a coupon: its format, and how much it takes off."""
    return FORMAT, percent
