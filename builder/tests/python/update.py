"""Adds a target to a role with python-tuf's Metadata API, and signs all that lists it with our keys.

update.py SITE KEYS ROLE TARGET FILE
"""

import datetime
import hashlib
import pathlib
import shutil
import sys

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, TargetFile

site, keys, role, target, file = sys.argv[1:]
metadata = pathlib.Path(site, "metadata")


def signer(name):
    return CryptoSigner(load_pem_private_key(pathlib.Path(keys, f"{name}.pem").read_bytes(), None))


def sign(document, name, path):
    """The next version of a document, written; returns its version and bytes."""
    document.signed.version += 1
    document.signed.expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
    document.sign(signer(name))
    path = metadata / path.format(document.signed.version)
    document.to_file(str(path))
    return document.signed.version, path.read_bytes()


timestamp = Metadata.from_file(str(metadata / "timestamp.json"))
snapshot = Metadata.from_file(str(metadata / f"{timestamp.signed.snapshot_meta.version}.snapshot.json"))
version = snapshot.signed.meta[f"{role}.json"].version
document = Metadata.from_file(str(metadata / f"{version}.{role}.json"))

document.signed.targets[target] = TargetFile.from_file(target, file)
shutil.copyfile(file, pathlib.Path(site, "targets", f"{document.signed.targets[target].hashes['sha256']}.{target}"))
version, data = sign(document, role, "{}." + role + ".json")
# With hashes and length, which the specification makes optional, for one file, and without for the other.
snapshot.signed.meta[f"{role}.json"] = MetaFile.from_data(version, data, ["sha256"])
version, data = sign(snapshot, "snapshot", "{}.snapshot.json")
timestamp.signed.snapshot_meta = MetaFile(version)
sign(timestamp, "timestamp", "timestamp.json")
print(hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest())
