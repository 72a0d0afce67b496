"""Is imported inside a function only, at each request."""

import twin

EDITION = 1
TOOK = twin.EDITION
