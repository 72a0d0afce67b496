"""What changes together with `twin`: an answer that shows two editions is a mix."""

EDITION = 1
