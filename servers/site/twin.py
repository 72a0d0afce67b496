"""The other half of what changes."""

import leaf

EDITION = 1
TOOK = leaf.EDITION
