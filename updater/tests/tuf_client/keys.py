"""Who signs: kinds of keys, identifiers, thresholds, rotation."""

from repository import Case, allow, new_key
from securesystemslib.signer import CryptoSigner

KINDS = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsassa-pss-sha256": CryptoSigner.generate_rsa,
    "rsa-pkcs1v15-sha256": lambda: CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256"),
}


def renamed(signer, name):
    """The same key under another identifier."""
    signer.public_key.keyid = name
    return signer


class Keys(Case):
    def test_each_kind_of_key_signs_and_its_wrong_signature_does_not(self):
        for kind, make in KINDS.items():
            with self.subTest(kind):
                self.setUp()
                self.repository.sign_with("root", make())
                self.repository.root["roles"]["root"]["threshold"] = 2
                self.repository.publish("root")
                self.accepted()
                self.assertEqual(self.kept()["root"], 2)
                other = make()

                def forge(file):
                    file["signatures"][1]["sig"] = other.sign(b"something else").signature

                self.repository.publish("root", after=forge)
                self.refused("reading 3.root.json: signed by 1 of the keys that may sign it, and 2 must")
                self.assertEqual(self.kept()["root"], 2)

    def test_a_key_counts_for_its_own_scheme_only(self):
        for field, value in (("scheme", "rsa-pkcs1v15-sha256"), ("keytype", "ecdsa"), ("scheme", "unheard-of")):
            with self.subTest(value):
                self.setUp()
                signer = CryptoSigner.generate_rsa()
                self.repository.new_keys("timestamp")
                self.repository.sign_with("timestamp", signer)
                self.repository.root["keys"][signer.public_key.keyid][field] = value
                self.repository.publish("root", "timestamp")
                self.accepted()
                self.repository.root["roles"]["timestamp"]["threshold"] = 2
                self.repository.publish("root", "timestamp")
                self.refused("signed by 1 of the keys that may sign it, and 2 must")

    def test_identifiers_are_opaque(self):
        self.repository.sign_with("timestamp", renamed(new_key(), "any name"))
        self.repository.root["roles"]["timestamp"]["threshold"] = 2
        self.repository.publish("root", "timestamp")
        self.accepted()

    def test_one_key_under_two_identifiers_counts_once(self):
        signer = self.repository.signers["timestamp"][0]
        twin = renamed(CryptoSigner(signer._private_key), "twin")
        self.repository.sign_with("timestamp", twin)
        self.repository.root["roles"]["timestamp"]["threshold"] = 2
        self.repository.publish("root", "timestamp")
        self.refused("reading timestamp.json: signed by 1 of the keys that may sign it, and 2 must")

    def test_one_identifier_named_many_times_counts_once(self):
        role = self.repository.root["roles"]["snapshot"]
        role["keyids"], role["threshold"] = role["keyids"] * 9, 6
        self.repository.publish("root", "snapshot", "timestamp")
        self.assertEqual(self.refresh(), 1)
        self.assertNotIn("snapshot", self.kept())

    def test_two_signatures_under_one_identifier_are_refused(self):
        def again(file):
            file["signatures"].append(file["signatures"][0])

        self.repository.publish("snapshot", after=again)
        self.repository.publish("timestamp")
        self.refused("reading snapshot.json: has two signatures of the key")

    def test_a_wrong_signature_beside_enough_right_ones_is_ignored(self):
        self.repository.sign_with("timestamp", new_key())
        for wrong in ("00" * 64, "", "no hex"):
            with self.subTest(wrong):
                def forge(file):
                    file["signatures"][0]["sig"] = wrong

                self.repository.publish("root")
                self.repository.publish("timestamp", after=forge)
                self.accepted()

    def test_a_threshold_that_cannot_be_reached_ends_that_role_only(self):
        self.repository.root["roles"]["snapshot"]["threshold"] = 6
        self.repository.publish("root", "snapshot", "timestamp")
        self.refused("reading snapshot.json: signed by 1 of the keys that may sign it, and 6 must")
        self.assertEqual(self.kept(), {"root": 2, "timestamp": 2})

    def test_a_threshold_of_nothing_is_refused(self):
        for threshold in (0, -1, "1"):
            with self.subTest(threshold):
                self.setUp()
                self.repository.root["roles"]["snapshot"]["threshold"] = threshold
                self.repository.publish("root")
                self.refused("reading 2.root.json")

    def test_a_key_that_is_named_and_not_there_does_not_count(self):
        self.repository.root["roles"]["timestamp"]["keyids"].append("nobody")
        self.repository.root["roles"]["timestamp"]["threshold"] = 2
        self.repository.publish("root", "timestamp")
        self.refused("signed by 1 of the keys that may sign it, and 2 must")


# Of each root: whose keys may sign, how many must, who does; and whether the last is accepted.
ROOTS = {
    "a new key": ([("1", 1, "1"), ("2", 1, "12"), ("2", 1, "2")], True),
    "foreign signatures beside": ([("1", 1, "341"), ("2", 1, "3214"), ("2", 1, "32")], True),
    "any three of five": ([("01234", 3, "024"), ("01234", 3, "041"), ("01234", 3, "013")], True),
    "one of five replaced": ([("01234", 3, "024"), ("01345", 3, "041")], True),
    "all replaced, in one step": ([("01234", 3, "024"), ("56789", 3, "024567"), ("56789", 3, "567")], True),
    "more must": ([("123", 1, "1"), ("123", 2, "12")], True),
    "fewer must": ([("123", 2, "12"), ("123", 1, "12"), ("123", 1, "1")], True),
    "not signed by the old key": ([("1", 1, "1"), ("2", 1, "234")], False),
    "not signed by the new key": ([("1", 1, "1"), ("2", 1, "134")], False),
    "too few of the new": ([("01234", 3, "024"), ("01345", 3, "024")], False),
    "too few of the old": ([("01234", 3, "024"), ("01345", 3, "045")], False),
    "the new threshold not reached": ([("123", 1, "1"), ("123", 2, "2")], False),
    "the old threshold not reached": ([("123", 2, "12"), ("123", 1, "1")], False),
}

# The same of any other role, in one step.
OTHERS = {
    "a new key": ("2", 1, "2", True),
    "foreign signatures beside": ("1", 1, "314", True),
    "not by the new key": ("2", 1, "134", False),
    "one of three is foreign": ("01345", 3, "024", False),
    "too few": ("01345", 3, "04", False),
    "three of five": ("01234", 3, "123", True),
}


class Rotation(Case):
    KEYS = [new_key() for _ in range(10)]

    def let(self, name, may, threshold, do):
        role = self.repository.root["roles"][name]
        role["keyids"], role["threshold"] = [], threshold
        allow(self.repository.root["keys"], role, *(self.KEYS[int(n)] for n in may))
        self.repository.signers[name] = [self.KEYS[int(n)] for n in do]

    def test_a_root_needs_the_old_keys_and_the_new(self):
        for case, (roots, accepted) in ROOTS.items():
            with self.subTest(case):
                self.setUp()
                self.repository.root["version"] = 0
                for n, root in enumerate(roots):
                    self.let("root", *root)
                    self.repository.publish("root")
                    if n == 0:
                        self.begin()
                self.assertEqual(self.refresh(), 0 if accepted else 1, self.said)
                self.assertEqual(self.kept()["root"], len(roots) if accepted else len(roots) - 1)

    def test_other_roles_need_the_keys_that_the_newest_root_names(self):
        for case, (may, threshold, do, accepted) in OTHERS.items():
            for name in ("timestamp", "snapshot", "targets"):
                with self.subTest(f"{name}: {case}"):
                    self.setUp()
                    self.let(name, may, threshold, do)
                    self.repository.publish("root", "targets", "snapshot", "timestamp")
                    self.assertEqual(self.refresh(), 0 if accepted else 1, self.said)
                    self.assertEqual(self.kept().get(name), 2 if accepted else None)
