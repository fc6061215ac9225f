"""Whose word counts for which path: the search through delegated roles, and what is downloaded in the end."""

from repository import Case, encoded, in_days, new_key, sha256

# Who delegates to whom (with `!`: ending the search), and the order in which roles are asked about a path that
# nobody lists. Paths are `*` unless they follow a colon.
GRAPHS = {
    "one": ("targets>A", "A"),
    "two": ("targets>A targets>B", "A B"),
    "two levels": ("targets>A targets>B B>C", "A B C"),
    "depth first": ("targets>A targets>B A>C A>D", "A C D B"),
    "three levels": ("targets>A targets>B A>C C>D", "A C D B"),
    "an end among children": ("targets>A targets>B A>!C A>D", "A C"),
    "an end that delegates on": ("targets>A targets>B A>!C C>D", "A C D"),
    "an end that does not cover the path": ("targets>!A:*.py targets>B", "B"),
    "paths that do not match": ("targets>A:*.py targets>B A>C", "B"),
    "paths that do not match further down": ("targets>A targets>B A>C:*.py C>D", "A B"),
    "a ring": ("targets>A targets>B B>C C>D D>B", "A B C D"),
    "two ways to one role": ("targets>A targets>B B>C A>C", "A C B"),
    "two ways of which one does not match": ("targets>A targets>B B>C A>C:*.py", "A B C"),
    "back to the top": ("targets>A A>A", "A"),
}


class Search(Case):
    def graph(self, edges):
        for edge in edges.split():
            above, _, below = edge.partition(">")
            name, _, path = below.lstrip("!").partition(":")
            self.repository.delegate(above, name, [path or "*"], below.startswith("!"))
        self.repository.publish_all()

    def visited(self):
        return [file.split(".", 1)[1].removesuffix(".json") for file in self.asked()[4:]]

    def test_roles_are_searched_depth_first_in_their_order(self):
        for case, (edges, order) in GRAPHS.items():
            with self.subTest(case):
                self.setUp()
                self.graph(edges)
                self.assertEqual(self.download("nowhere"), 1)
                self.assertIn("nowhere is not listed", self.said)
                self.assertEqual(self.visited(), order.split())

    def test_a_path_is_found_where_all_above_cover_it(self):
        self.repository.delegate("targets", "A", ["*.doc", "*.md"])
        self.repository.delegate("targets", "B", ["releases/*/*"])
        self.repository.delegate("B", "C", ["releases/x/*"])
        self.repository.delegate("B", "D", ["releases/y/*.zip"])
        self.repository.add("targets", "top", b"top")
        self.repository.add("A", "README.md", b"by A")
        self.repository.add("C", "releases/x/v1", b"by C")
        self.repository.add("D", "releases/y/v1.zip", b"by D")
        self.repository.add("D", "releases/z/v1.zip", b"not by D")
        self.repository.publish_all()
        for path, found, order in (
            ("top", b"top", ""),
            ("README.md", b"by A", "A"),
            ("releases/x/v1", b"by C", "B C"),
            ("releases/y/v1.zip", b"by D", "B D"),
            ("releases/z/v1.zip", None, "B"),
            ("releases/x/y/v1", None, ""),
        ):
            with self.subTest(path):
                for kept in self.metadata.glob("[A-Z].json"):
                    kept.unlink()
                self.asked()
                self.assertEqual(self.download(path), 0 if found else 1, self.said)
                self.assertEqual(self.downloaded().get(path), found)
                # The top-level documents are kept from the first time on.
                self.assertEqual([f[2] for f in self.asked() if f[2:3].isupper()], order.split())

    def test_the_first_role_that_lists_a_path_has_its_word(self):
        self.graph("targets>A targets>B")
        for name in ("B", "A"):
            self.repository.add(name, "x", name.encode())
        self.repository.publish_all()
        self.assertEqual(self.download("x"), 0, self.said)
        self.assertEqual(self.downloaded(), {"x": b"A"})

    def test_delegated_metadata_is_kept_and_not_asked_for_again(self):
        self.graph("targets>A")
        self.repository.add("A", "x", b"x")
        self.repository.publish_all()
        self.assertEqual(self.download("x"), 0, self.said)
        self.assertEqual(self.kept(), {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3, "A": 2})
        self.asked()
        self.assertEqual(self.download("x"), 0, self.said)
        self.assertEqual(self.asked(), ["2.root.json", "timestamp.json"])

    def test_a_refresh_asks_for_no_delegated_role(self):
        self.graph("targets>A")
        self.accepted()
        self.assertEqual(self.kept(), {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2})

    def test_at_most_32_roles_are_searched(self):
        self.graph("targets>R0 " + " ".join(f"R{n}>R{n + 1}" for n in range(40)))
        self.assertEqual(self.download("nowhere"), 1)
        self.assertIn("at most 32 are searched", self.said)
        self.assertEqual(len(self.visited()), 32)

    def test_prefixes_of_hashes_choose_a_role(self):
        half = [f"{n:x}" for n in range(8)]
        other = [f"{n:x}" for n in range(8, 16)]
        self.repository.delegate("targets", "low", path_hash_prefixes=half)
        self.repository.delegate("targets", "high", path_hash_prefixes=other)
        self.repository.publish_all()
        for path in ("a", "b", "dir/c", "d"):
            with self.subTest(path):
                for kept in self.metadata.glob("*.json"):
                    kept.unlink() if kept.stem in ("low", "high") else None
                self.asked()
                self.assertEqual(self.download(path), 1)
                role = "low" if sha256(path.encode())[0] in half else "high"
                self.assertEqual([f for f in self.asked() if "low" in f or "high" in f], [f"1.{role}.json"])

    def test_bins_of_hashes_choose_a_role(self):
        for bits, digits in ((1, 1), (3, 1), (5, 2), (8, 2)):
            with self.subTest(bits):
                self.setUp()
                bin = int(sha256(b"some/path"), 16) >> (256 - bits)
                name = f"bin-{bin:0{digits}x}"
                signer = new_key()
                self.repository.docs[name] = self.repository.document("targets") | {"targets": {}}
                self.repository.signers[name] = [signer]
                keyid = signer.public_key.keyid
                bins = {"keyids": [keyid], "threshold": 1, "bit_length": bits, "name_prefix": "bin"}
                keys = {keyid: signer.public_key.to_dict()}
                self.repository.targets["delegations"] = {"keys": keys, "succinct_roles": bins}
                self.repository.add(name, "some/path", b"found")
                self.repository.publish_all()
                self.assertEqual(self.download("some/path"), 0, self.said)
                self.assertEqual(self.downloaded(), {"some/path": b"found"})
                self.assertEqual(self.visited(), [name])

    def test_delegations_in_no_form_of_the_specification_are_refused(self):
        bins = {"keyids": [], "threshold": 1, "bit_length": 4, "name_prefix": "bin"}
        role = {"name": "A", "keyids": [], "threshold": 1, "terminating": False, "paths": ["*"]}
        for case, delegations in {
            "both forms": {"keys": {}, "roles": [role], "succinct_roles": bins},
            "no bits": {"keys": {}, "succinct_roles": bins | {"bit_length": 0}},
            "too many bits": {"keys": {}, "succinct_roles": bins | {"bit_length": 33}},
            "bins of nobody": {"keys": {}, "succinct_roles": bins | {"threshold": 0}},
            "the same name twice": {"keys": {}, "roles": [role, role]},
            "paths and prefixes": {"keys": {}, "roles": [role | {"path_hash_prefixes": ["0"]}]},
            "a threshold of nothing": {"keys": {}, "roles": [role | {"threshold": 0}]},
            "no name": {"keys": {}, "roles": [role | {"name": ""}]},
            "the root's name": {"keys": {}, "roles": [role | {"name": "root"}]},
            "the timestamp's name": {"keys": {}, "roles": [role | {"name": "timestamp"}]},
            "a number as path": {"keys": {}, "roles": [role | {"paths": [7]}]},
        }.items():
            with self.subTest(case):
                self.setUp()
                self.repository.targets["delegations"] = delegations
                self.repository.publish("targets", "snapshot", "timestamp")
                self.refused("reading targets.json")
                self.assertEqual(self.kept(), {"root": 1, "timestamp": 2, "snapshot": 2})

    def test_a_role_that_cannot_be_believed_ends_the_search(self):
        def unsigned(repository):
            repository.signers["A"] = [new_key()]

        def expired(repository):
            repository.docs["A"]["expires"] = in_days(-1)

        def other(repository):
            repository.docs["A"]["_type"] = "snapshot"

        for bend in (unsigned, expired, other):
            with self.subTest(bend.__name__):
                self.setUp()
                self.graph("targets>A targets>B")
                self.repository.add("A", "x", b"x")
                self.repository.add("B", "x", b"x")
                bend(self.repository)
                self.repository.publish_all()
                self.accepted()
                self.assertEqual(self.download("x"), 1)
                self.assertIn("reading A.json", self.said)
                self.assertEqual((self.downloaded(), self.kept().get("A")), ({}, None))
        for case, bend in {
            "missing": lambda: self.repository.files.pop("2.A.json"),
            "another's": lambda: self.repository.files.update({"2.A.json": self.repository.file("B")}),
            "older": lambda: self.repository.files.update({"2.A.json": self.repository.files["1.A.json"]}),
        }.items():
            with self.subTest(case):
                self.setUp()
                self.graph("targets>A targets>B")
                self.repository.add("A", "x", b"x")
                self.repository.publish_all()
                bend()
                self.assertEqual(self.download("x"), 1)
                self.assertEqual((self.downloaded(), self.kept().get("A")), ({}, None))

    def test_a_delegated_role_that_expires_is_not_used_any_more_and_a_newer_one_is(self):
        self.graph("targets>A")
        for path in ("first", "second"):
            self.repository.add("A", path, path.encode())
        self.repository.docs["A"]["expires"] = in_days(7)
        self.repository.publish_all()
        self.assertEqual(self.download("first"), 0, self.said)
        self.assertEqual(self.download("second", days=18), 1)
        self.assertEqual(self.downloaded(), {"first": b"first"})
        self.repository.docs["A"]["expires"] = in_days(21)
        self.repository.publish_all()
        self.assertEqual(self.download("second", days=18), 0, self.said)

    def test_names_of_roles_cannot_leave_their_folder(self):
        for name in ("?", "#", "/role", "../role", "..", "a b", "\u00e4", "%2F", "\\", "A.B"):
            with self.subTest(name):
                self.setUp()
                self.repository.delegate("targets", name)
                self.repository.publish_all()
                self.assertEqual(self.download("nowhere"), 1)
                self.assertEqual(self.asked()[4:], [f"1.{encoded(name)}.json"])
                files = sorted(path.name for path in self.metadata.iterdir())
                top = ["root.json", "snapshot.json", "targets.json", "timestamp.json"]
                self.assertEqual(files, sorted([*top, f"{encoded(name)}.json"]))


class Download(Case):
    def offer(self, path, data):
        self.repository.add("targets", path, data)
        self.repository.publish_all()

    def test_a_download_brings_the_metadata_up_to_date_first(self):
        self.assertEqual(self.download("nowhere"), 1)
        self.assertEqual(self.asked(), ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
        self.assertEqual(self.kept(), {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1})

    def test_any_path_is_downloaded_under_its_encoded_name(self):
        for path in ("file.txt", "path/to/a/file.txt", "a b", "\u00e4/\u00f6", "100%", "q?x#y", "../up", "@+:,=~"):
            with self.subTest(path):
                self.setUp()
                self.offer(path, path.encode())
                self.assertEqual(self.download(path), 0, self.said)
                self.assertEqual(self.downloaded(), {path: path.encode()})
                self.assertEqual([p.name for p in self.folder.iterdir()], [encoded(path)])

    def test_names_of_files_begin_with_their_hash_only_where_snapshots_are_consistent(self):
        self.repository.root["consistent_snapshot"] = False
        self.repository.publish("root")
        self.repository.artifacts["a/b"] = b"x"
        self.offer("a/b", b"x")
        self.assertEqual(self.download("a/b"), 0, self.said)
        self.assertEqual(self.repository.downloads, ["a/b"])

    def test_what_is_there_is_not_downloaded_again_unless_it_is_not_what_it_was(self):
        self.offer("x", b"first")
        for times in (1, 1):
            self.assertEqual(self.download("x"), 0, self.said)
            self.assertEqual(len(self.repository.downloads), times)
        (self.folder / "x").write_bytes(b"other")
        self.assertEqual(self.download("x"), 0, self.said)
        self.assertEqual((len(self.repository.downloads), self.downloaded()), (2, {"x": b"first"}))
        self.offer("x", b"second")
        self.assertEqual(self.download("x"), 0, self.said)
        self.assertEqual(self.downloaded(), {"x": b"second"})

    def test_wrong_bytes_leave_what_was_there(self):
        for case, data in {
            "another file": b"third",
            "shorter": b"secon",
            "longer": b"second!",
            "much longer": b"second" * 99_999,
            "nothing": b"",
            "a flipped bit": b"secone",
            "missing": None,
        }.items():
            with self.subTest(case):
                self.setUp()
                self.offer("x", b"first")
                self.assertEqual(self.download("x"), 0, self.said)
                self.offer("x", b"second")
                self.repository.artifacts[f"{sha256(b'second')}.x"] = data
                self.assertEqual(self.download("x"), 1)
                self.assertEqual(self.downloaded(), {"x": b"first"})

    def test_several_are_downloaded_until_one_fails(self):
        for path in ("a", "b", "c"):
            self.offer(path, path.encode())
        self.repository.artifacts[f"{sha256(b'b')}.b"] = b"B"
        self.assertEqual(self.download("a", "b", "c"), 1)
        self.assertEqual(self.downloaded(), {"a": b"a"})
        self.assertEqual(self.asked()[:2], ["2.root.json", "timestamp.json"])
        self.repository.artifacts[f"{sha256(b'b')}.b"] = b"b"
        self.assertEqual(self.download("a", "b", "c"), 0, self.said)
        self.assertEqual(self.downloaded(), {"a": b"a", "b": b"b", "c": b"c"})


class Begin(Case):
    def test_a_root_that_is_wrong_is_no_beginning(self):
        good = self.first.read_bytes()
        for case, bytes in {
            "changed": good.replace(b'"version": 1', b'"version": 2'),
            "cut": good[:-1],
            "nothing": b"",
            "another document": self.repository.file("targets"),
        }.items():
            with self.subTest(case):
                (self.metadata / "root.json").unlink(missing_ok=True)
                self.first.write_bytes(bytes)
                self.assertEqual(self.run_client("init", str(self.first)), 1)
                self.assertEqual(self.refresh(), 1)
                self.assertEqual((self.asked(), self.kept()), ([], {}))

    def test_words_that_are_missing_or_unknown_are_an_error(self):
        for words in (["refresh"], ["download"], ["init"], [], ["--what"], ["sing"]):
            with self.subTest(words):
                self.assertEqual(self.run_client(*words), 1)
                self.assertEqual(self.asked(), [])
