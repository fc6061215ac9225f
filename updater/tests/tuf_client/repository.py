"""A TUF repository in memory whose every part a case can bend, a server for it, and the client under test.

Keys, signatures and canonical JSON are securesystemslib's: an implementation that is not ours. Documents are plain
dictionaries, so that they can be wrong in every way.
"""

import copy
import datetime
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest
from urllib.parse import quote, unquote

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

TOP = ["root", "timestamp", "snapshot", "targets"]
CLIENT = os.environ["TUF_CLIENT"]


def in_days(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encoded(name):
    return quote(name, safe="")


def new_key():
    return CryptoSigner.generate_ed25519()


def allow(keys, role, *signers):
    """Adds the keys of `signers` to `keys`, and names them in `role`."""
    for signer in signers:
        keys[signer.public_key.keyid] = signer.public_key.to_dict()
        role["keyids"].append(signer.public_key.keyid)


class Repository:
    def __init__(self):
        self.hashes = False
        self.files, self.artifacts = {}, {}
        self.asked, self.downloads = [], []
        self.signers, self.docs = {}, {}
        for name in TOP[1:]:
            self.docs[name] = self.document(name)
        self.docs["root"] = self.document("root") | {"consistent_snapshot": True, "keys": {}, "roles": {}}
        self.docs["timestamp"]["meta"] = {"snapshot.json": {"version": 1}}
        self.docs["snapshot"]["meta"] = {}
        self.docs["targets"]["targets"] = {}
        for name in TOP:
            self.root["roles"][name] = {"keyids": [], "threshold": 1}
            self.signers[name] = []
            self.sign_with(name, new_key())
        self.publish("root", "targets", "snapshot", "timestamp")

    @staticmethod
    def document(kind, days=30):
        return {"_type": kind, "spec_version": "1.0.31", "version": 0, "expires": in_days(days)}

    root = property(lambda self: self.docs["root"])
    timestamp = property(lambda self: self.docs["timestamp"])
    snapshot = property(lambda self: self.docs["snapshot"])
    targets = property(lambda self: self.docs["targets"])

    def sign_with(self, name, *signers):
        """More keys for a top-level role."""
        allow(self.root["keys"], self.root["roles"][name], *signers)
        self.signers[name] += signers

    def new_keys(self, name):
        self.root["roles"][name]["keyids"], self.signers[name] = [], []
        self.sign_with(name, new_key())

    def publish(self, *names, after=None, version=None):
        """The next version of each, signed; `after` changes the file afterwards, `version` only its name."""
        for name in names:
            doc = self.docs[name]
            doc["version"] += 1
            payload = encode_canonical(doc).encode()
            signatures = [s.sign(payload).to_dict() for s in self.signers[name]]
            file = {"signatures": signatures, "signed": copy.deepcopy(doc)}
            if after:
                after(file)
            data = json.dumps(file).encode()
            number = version or doc["version"]
            if name == "timestamp" or not (self.root["consistent_snapshot"] or name == "root"):
                self.files[f"{encoded(name)}.json"] = data
            else:
                self.files[f"{number}.{encoded(name)}.json"] = data
            listed = {"version": number}
            if self.hashes:
                listed |= {"length": len(data), "hashes": {"sha256": sha256(data)}}
            if name == "snapshot":
                self.timestamp["meta"]["snapshot.json"] = listed
            elif name not in ("root", "timestamp"):
                self.snapshot["meta"][f"{name}.json"] = listed

    def file(self, name):
        """The newest file of a role."""
        version = self.docs[name]["version"]
        return self.files[f"{name}.json" if name == "timestamp" else f"{version}.{encoded(name)}.json"]

    def add(self, role, path, data):
        """An artifact, listed by `role` and served as consistent snapshots have it."""
        self.docs[role]["targets"][path] = {"length": len(data), "hashes": {"sha256": sha256(data)}}
        folder, slash, file = path.rpartition("/")
        self.artifacts[f"{folder}{slash}{sha256(data)}.{file}"] = data

    def delegate(self, above, name, paths=("*",), terminating=False, **fields):
        """A new role of a new key, or one more delegation of a role that there is."""
        here = self.docs[above].setdefault("delegations", {"keys": {}, "roles": []})
        role = {"name": name, "keyids": [], "threshold": 1, "terminating": terminating}
        role |= fields or {"paths": list(paths)}
        if name not in self.docs:
            self.docs[name] = self.document("targets") | {"targets": {}}
            self.signers[name] = [new_key()]
        allow(here["keys"], role, *self.signers[name])
        here["roles"].append(role)

    def publish_all(self):
        delegated = [name for name in self.docs if name not in TOP]
        self.publish(*delegated, "targets", "snapshot", "timestamp")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        repository = self.server.repository
        kind, _, path = self.path.lstrip("/").partition("/")
        if kind == "metadata":
            repository.asked.append(path)
            data = repository.files.get(path)
        else:
            repository.downloads.append(path)
            data = repository.artifacts.get(unquote(path))
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_):
        pass


class Case(unittest.TestCase):
    """A repository, a server, and the client's two folders."""

    def setUp(self):
        self.repository = Repository()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.repository = self.repository
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.metadata = pathlib.Path(temporary.name, "metadata")
        self.folder = pathlib.Path(temporary.name, "targets")
        self.first = pathlib.Path(temporary.name, "first.json")
        self.metadata.mkdir()
        self.folder.mkdir()
        self.begin()

    def begin(self):
        """The client starts from the newest root."""
        self.first.write_bytes(self.repository.file("root"))
        self.assertEqual(self.run_client("init", str(self.first)), 0, self.said)

    def run_client(self, *words, days=0):
        command = [CLIENT, "--metadata-dir", str(self.metadata), *words]
        if days:
            command = ["faketime", "-f", f"{days:+d}d", *command]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.said = ran.stderr
        self.assertIn(ran.returncode, (0, 1), self.said)
        return ran.returncode

    def asked(self):
        """What was asked for since the last time."""
        asked, self.repository.asked = self.repository.asked, []
        return asked

    def refresh(self, days=0):
        return self.run_client("--metadata-url", f"{self.base}/metadata/", "refresh", days=days)

    def download(self, *names, days=0):
        words = [word for name in names for word in ("--target-name", name)]
        urls = ["--metadata-url", f"{self.base}/metadata/", "--target-base-url", f"{self.base}/targets/"]
        return self.run_client(*urls, *words, "--target-dir", str(self.folder), "download", days=days)

    def kept(self):
        """Versions of what is kept, by role."""
        files = {unquote(path.stem): path for path in self.metadata.glob("*.json")}
        return {name: json.loads(path.read_bytes())["signed"]["version"] for name, path in files.items()}

    def downloaded(self):
        return {unquote(path.name): path.read_bytes() for path in self.folder.iterdir()}

    def refused(self, because):
        """The refresh fails, for this reason."""
        self.assertEqual(self.refresh(), 1)
        self.assertIn(because, self.said)

    def accepted(self):
        self.assertEqual(self.refresh(), 0, self.said)
