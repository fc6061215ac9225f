"""The four top-level documents: order, versions, hashes, dates, what is kept when."""

from repository import Case, in_days

ALL = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


class Workflow(Case):
    def test_each_document_is_asked_for_once_and_kept_as_it_came(self):
        self.accepted()
        self.assertEqual(self.asked(), ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
        for name in ALL:
            self.assertEqual((self.metadata / f"{name}.json").read_bytes(), self.repository.file(name), name)

    def test_what_did_not_change_is_not_asked_for_again(self):
        for hashes in (False, True):
            self.repository.hashes = hashes
            self.repository.publish("targets", "snapshot", "timestamp")
            self.accepted()
            self.asked()
            self.accepted()
            self.assertEqual(self.asked(), ["2.root.json", "timestamp.json"])

    def test_roots_are_followed_one_by_one(self):
        for _ in range(3):
            self.repository.publish("root")
        self.accepted()
        self.assertEqual(self.asked()[:4], ["2.root.json", "3.root.json", "4.root.json", "5.root.json"])
        self.assertEqual(self.kept(), ALL | {"root": 4})

    def test_a_long_chain_of_roots_is_followed_in_two_runs(self):
        for _ in range(299):
            self.repository.publish("root")
        self.accepted()
        self.assertEqual(self.kept()["root"], 257)
        self.accepted()
        self.assertEqual(self.kept()["root"], 300)

    # Who is wrong, and what is kept after the refresh that meets it.
    STOPS = {
        "root": {"root": 1},
        "timestamp": {"root": 2},
        "snapshot": {"root": 2, "timestamp": 2},
        "targets": {"root": 2, "timestamp": 2, "snapshot": 2},
    }

    def wrong(self, bend):
        for name, kept in self.STOPS.items():
            with self.subTest(name):
                self.setUp()
                bend(name)
                self.assertEqual(self.refresh(), 1)
                self.assertEqual(self.kept(), kept)

    def test_unsigned_documents_stop_it_and_what_came_before_is_kept(self):
        def bend(name):
            self.repository.signers[name] = []
            self.repository.publish("root", "targets", "snapshot", "timestamp")

        self.wrong(bend)

    def test_documents_changed_after_signing_stop_it(self):
        def bend(name):
            for each in ("root", "targets", "snapshot", "timestamp"):
                def change(file):
                    file["signed"]["more"] = 1

                self.repository.publish(each, after=change if each == name else None)

        self.wrong(bend)

    def test_documents_of_another_type_stop_it(self):
        def bend(name):
            self.repository.docs[name]["_type"] = "mirrors"
            self.repository.publish("root", "targets", "snapshot", "timestamp")

        self.wrong(bend)

    def test_documents_for_another_specification_stop_it(self):
        def bend(name):
            self.repository.docs[name]["spec_version"] = "2.0.0"
            self.repository.publish("root", "targets", "snapshot", "timestamp")

        self.wrong(bend)

    def test_versions_other_than_in_the_name_stop_it(self):
        self.STOPS = {name: kept for name, kept in self.STOPS.items() if name != "timestamp"}

        def bend(name):
            for each in ("root", "targets", "snapshot", "timestamp"):
                self.repository.docs[each]["version"] += each == name
                self.repository.publish(each, version=2 if each == name else None)

        self.wrong(bend)

    def test_missing_documents_stop_it(self):
        self.STOPS = {name: kept for name, kept in self.STOPS.items() if name != "root"}

        def bend(name):
            self.repository.publish("root", "targets", "snapshot", "timestamp")
            del self.repository.files["timestamp.json" if name == "timestamp" else f"2.{name}.json"]

        self.wrong(bend)

    def test_expired_documents_stop_it(self):
        # An expired root is kept: the next one may follow from it.
        self.STOPS = self.STOPS | {"root": {"root": 2}}

        def bend(name):
            self.repository.docs[name]["expires"] = in_days(-1)
            self.repository.publish("root", "targets", "snapshot", "timestamp")

        self.wrong(bend)

    def test_too_long_documents_stop_it(self):
        limits = {"root": 512 << 10, "timestamp": 16 << 10, "snapshot": 1 << 20, "targets": 2 << 20}

        def bend(name):
            self.repository.docs[name]["more"] = "x" * limits[name]
            self.repository.publish("root", "targets", "snapshot", "timestamp")

        self.wrong(bend)

    def test_other_lengths_and_hashes_than_listed_stop_it(self):
        for field, value in (("length", 7), ("hashes", {"sha256": "0" * 64})):
            for above, name in (("timestamp", "snapshot"), ("snapshot", "targets")):
                with self.subTest(f"{field} of {name}"):
                    self.setUp()
                    self.accepted()
                    self.repository.publish("targets", "snapshot")
                    self.repository.docs[above]["meta"][f"{name}.json"][field] = value
                    self.repository.publish(*(["snapshot", "timestamp"] if above == "snapshot" else ["timestamp"]))
                    self.assertEqual(self.refresh(), 1)
                    self.assertEqual(self.kept()[name], 1)

    def test_versions_1_of_the_specification_are_read(self):
        for number, read in {"1.0": 0, "1.0.0": 0, "1.99.7": 0, "2.0": 1, "1": 1, "0.9": 1, "1.x": 1, "": 1}.items():
            with self.subTest(number):
                self.setUp()
                self.repository.timestamp["spec_version"] = number
                self.repository.publish("timestamp")
                self.assertEqual(self.refresh(), read, self.said)

    def test_unknown_fields_are_signed_and_otherwise_ignored(self):
        root = self.repository.root
        root["more"] = {"a": [1, None, True]}
        root["roles"]["root"]["more"] = "x"
        root["keys"][root["roles"]["root"]["keyids"][0]]["more"] = "x"
        self.repository.publish("root")
        self.repository.publish("targets", after=lambda file: file.update(more="x"))
        self.repository.publish("snapshot", "timestamp")
        self.accepted()
        self.assertEqual(self.kept()["root"], 2)

    def test_names_without_versions_are_asked_for_where_snapshots_are_not_consistent(self):
        self.repository.root["consistent_snapshot"] = False
        self.repository.publish("root", "targets", "snapshot", "timestamp")
        self.accepted()
        self.assertEqual(
            self.asked(), ["2.root.json", "3.root.json", "timestamp.json", "snapshot.json", "targets.json"]
        )
        self.assertEqual(self.kept(), {name: 2 for name in ALL})


class Rollback(Case):
    def test_an_older_timestamp_is_refused(self):
        old = self.repository.file("timestamp")
        self.repository.publish("timestamp")
        self.accepted()
        self.repository.files["timestamp.json"] = old
        self.refused("version 1 of timestamp.json is offered, version 2 was seen before")
        self.assertEqual(self.kept()["timestamp"], 2)

    def test_another_timestamp_of_the_same_version_changes_nothing(self):
        self.accepted()
        self.repository.timestamp["version"] = 0
        self.repository.timestamp["meta"]["snapshot.json"]["version"] = 100
        before = (self.metadata / "timestamp.json").read_bytes()
        self.repository.publish("timestamp")
        self.asked()
        self.accepted()
        self.assertEqual(self.asked(), ["2.root.json", "timestamp.json"])
        self.assertEqual((self.metadata / "timestamp.json").read_bytes(), before)

    def test_an_older_snapshot_is_refused_before_it_is_asked_for(self):
        for hashes in (False, True):
            with self.subTest(hashes):
                self.setUp()
                self.repository.hashes = hashes
                self.repository.publish("snapshot", "timestamp")
                self.accepted()
                self.repository.snapshot["version"] = 0
                self.repository.publish("snapshot", "timestamp")
                self.asked()
                self.refused("version 1 of snapshot.json is offered, version 2 was seen before")
                self.assertEqual(self.asked(), ["2.root.json", "timestamp.json"])
                self.assertEqual(self.kept(), ALL | {"timestamp": 2, "snapshot": 2})

    def test_older_targets_are_refused(self):
        for hashes in (False, True):
            with self.subTest(hashes):
                self.setUp()
                self.repository.hashes = hashes
                self.repository.publish("targets", "snapshot", "timestamp")
                self.accepted()
                self.repository.targets["version"] = 0
                self.repository.publish("targets", "snapshot", "timestamp")
                self.refused("version 1 of targets.json is offered, version 2 was seen before")
                self.assertEqual(self.kept(), {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})

    def test_a_document_that_was_listed_stays_listed(self):
        self.repository.delegate("targets", "A")
        self.repository.publish_all()
        self.accepted()
        del self.repository.snapshot["meta"]["A.json"]
        self.repository.publish("snapshot", "timestamp")
        self.refused("A.json was listed before and is not any more")

    def test_new_keys_end_what_was_seen(self):
        for name in ("timestamp", "snapshot"):
            for jumped in ("timestamp", "snapshot", "targets"):
                with self.subTest(f"{jumped}, new key of {name}"):
                    self.setUp()
                    self.repository.docs[jumped]["version"] = 99
                    self.repository.publish("targets", "snapshot", "timestamp")
                    self.accepted()
                    self.assertEqual(self.kept()[jumped], 100)
                    self.repository.docs[jumped]["version"] = 1
                    self.repository.new_keys(name)
                    self.repository.publish("root", "targets", "snapshot", "timestamp")
                    self.accepted()
                    self.assertEqual(self.kept()[jumped], 2)

    def test_damaged_copies_are_had_anew_and_a_damaged_root_ends_it(self):
        for name in ("timestamp", "snapshot", "targets"):
            with self.subTest(name):
                self.accepted()
                path = self.metadata / f"{name}.json"
                path.write_bytes(path.read_bytes()[:-9])
                self.accepted()
                self.assertEqual(path.read_bytes(), self.repository.file(name))
        path = self.metadata / "root.json"
        path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
        self.asked()
        self.refused("reading root.json")
        self.assertEqual(self.asked(), [])


class Clock(Case):
    def test_an_expired_root_on_the_way_is_followed(self):
        self.repository.root["expires"] = in_days(-1)
        self.repository.publish("root")
        self.repository.root["expires"] = in_days(30)
        self.repository.publish("root")
        self.accepted()
        self.assertEqual(self.kept()["root"], 3)

    def test_after_an_expired_root_nothing_else_is_asked_for(self):
        self.repository.root["expires"] = in_days(-1)
        self.repository.publish("root")
        self.refused("reading root.json: expired")
        self.assertEqual(self.asked(), ["2.root.json", "3.root.json"])

    def test_expired_copies_still_bound_what_comes_and_are_replaced(self):
        self.repository.timestamp["expires"] = in_days(7)
        self.repository.publish("timestamp")
        self.accepted()
        old = self.repository.file("timestamp")
        self.repository.timestamp["expires"] = in_days(21)
        self.repository.publish("targets", "snapshot", "timestamp")
        self.assertEqual(self.refresh(days=18), 0, self.said)
        self.assertEqual(self.kept(), {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})
        self.repository.files["timestamp.json"] = old
        self.assertEqual(self.refresh(days=18), 1)
        self.assertIn("version 2 of timestamp.json is offered, version 3 was seen before", self.said)

    def test_a_frozen_repository_ends_with_the_dates_of_its_documents(self):
        self.accepted()
        for days, code in ((29, 0), (31, 1), (-400, 0)):
            with self.subTest(days):
                self.assertEqual(self.refresh(days=days), code, self.said)
