"""Ask the worker what things cost: python send.py tea milk."""

from __future__ import annotations

import sys

from shop_tasks import total

if __name__ == "__main__":
    print(total.delay(sys.argv[1:]).get(timeout=30))
