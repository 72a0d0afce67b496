"""Kinto with everything in memory."""

from kinto import main

application = main(
    {},
    **{
        "kinto.includes": "kinto.plugins.default_bucket kinto.plugins.flush kinto.plugins.history",
        "kinto.storage_backend": "kinto.core.storage.memory",
        "kinto.permission_backend": "kinto.core.permission.memory",
        "kinto.cache_backend": "kinto.core.cache.memory",
        "kinto.userid_hmac_secret": "not a secret",
        "kinto.default_bucket_hmac_secret": "not a secret",
        "kinto.bucket_create_principals": "system.Everyone",
        "multiauth.policies": "basicauth",
    },
)
