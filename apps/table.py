"""Which applications are measured, and in what order?"""

from __future__ import annotations

from apps.described.datasette import DATASETTE
from apps.described.dstack import DSTACK
from apps.described.ihatemoney import IHATEMONEY
from apps.described.kinto import KINTO
from apps.described.moto import MOTO
from apps.described.oscar import OSCAR
from apps.described.radicale import RADICALE
from apps.described.tendenci import TENDENCI

APPS = (MOTO, DATASETTE, KINTO, IHATEMONEY, DSTACK, OSCAR, RADICALE, TENDENCI)
