"""Transfuse in this process.

`install` begins and ends it; `target` resolves ``"shop.web:app"``; `imports` has `live`, `pin`,
`once` and `import_module`.
"""
