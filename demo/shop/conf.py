"""The settings of the shop. Three modules import this one, and it imports none."""

EDITION = 1
VAT = 20
