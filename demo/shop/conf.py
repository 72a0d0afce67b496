"""What the shop is set to. Three modules import it, and it imports none."""

EDITION = 1
VAT = 20
