"""``python -m parcela.store.s3_user``: a user of a MinIO server who may use one bucket, made by its root."""

from __future__ import annotations

import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from parcela.errors import Unavailable
from parcela.settings import Settings, secret
from parcela.settings import settings as current_settings

NAME = "parcela"  # of the policy
OF_BUCKET = ("CreateBucket", "GetBucketLocation", "ListBucket", "ListBucketMultipartUploads")
OF_FILES = (
    *("GetObject", "PutObject", "DeleteObject"),
    *("AbortMultipartUpload", "ListMultipartUploadParts"),
)
# What a server answers that speaks S3 and has no such interface.
WITHOUT = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


def policy(bucket: str) -> dict[str, object]:
    """What the service does with its bucket, and no more: neither its settings nor other buckets."""
    place = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": [f"s3:{name}" for name in names], "Resource": [where]}
            for names, where in ((OF_BUCKET, place), (OF_FILES, f"{place}/*"))
        ],
    }


def add_user(root: Settings, access_key: str, secret_key: str) -> bool:
    """Give the server a user with these keys, or set this user's secret and rights again.

    ``root`` names the bucket and holds the root's keys. False: the server has no users of its own.

    Raises Unavailable: the server cannot be reached, or refuses the root's keys.
    """
    url = urlsplit(root.store or "")
    bucket = url.path.strip("/")
    admin = MinioAdmin(
        endpoint=url.netloc,
        secure=url.scheme == "https",
        credentials=StaticProvider(
            secret(root.store_access_key, root.store_access_key_file),
            secret(root.store_secret_key, root.store_secret_key_file),
        ),
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=30),
            retries=urllib3.Retry(12, backoff_factor=0.5, backoff_max=5, status=0),
        ),
    )
    try:
        admin.policy_add(NAME, policy=policy(bucket))
        admin.user_add(access_key, secret_key)
        admin.policy_set(NAME, user=access_key)
    except MinioAdminException as error:
        if int(error._code) in WITHOUT:
            return False
        raise Unavailable(f"the store makes no user ({error}): check its root's keys") from error
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"the store at {url.netloc} cannot be reached") from error
    return True


def main(access_key: Path, secret_key: Path) -> None:
    """Make the user whose keys stand in two files; where there can be none, put the root's keys into them."""
    root = current_settings()
    if add_user(root, access_key.read_text(), secret_key.read_text()):
        print(f"the store's user may use {root.store}")
        return
    access_key.write_text(secret("", root.store_access_key_file))
    secret_key.write_text(secret("", root.store_secret_key_file))
    print("warning: this store has no users of its own, so the parts use its root's keys")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
