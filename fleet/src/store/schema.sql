-- Schema 1, to which the other files add. Moments are seconds since 1970.
CREATE TABLE machine (
    id        INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    seen      INTEGER NOT NULL,
    -- Whether it ever had a permission: one that had none is new.
    known     INTEGER NOT NULL DEFAULT 0,
    -- Whether another machine reported a card of it as its own: such a one is not new.
    claimed   INTEGER NOT NULL DEFAULT 0,
    -- As iPXE said them.
    uuid      TEXT    NOT NULL DEFAULT '',
    serial    TEXT    NOT NULL DEFAULT '',
    platform  TEXT    NOT NULL DEFAULT '',
    -- The last report: lines as JSON, the same in one line, and what came of profiles that were
    -- not given, as JSON.
    hardware  TEXT,
    summary   TEXT    NOT NULL DEFAULT '',
    reported  INTEGER,
    tried     TEXT,
    -- Of the last install.
    profile   TEXT,
    stage     TEXT,
    done      INTEGER NOT NULL DEFAULT 0,
    total     INTEGER NOT NULL DEFAULT 0,
    failure   TEXT,
    installed INTEGER
) STRICT;

CREATE TABLE mac (
    mac     TEXT PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machine ON DELETE CASCADE,
    -- Whether only a report of the machine says so.
    told    INTEGER NOT NULL
) STRICT;
CREATE INDEX mac_machine ON mac (machine);

-- The right to be installed once; `attempts` were begun or failed under it.
CREATE TABLE permission (
    machine  INTEGER PRIMARY KEY REFERENCES machine ON DELETE CASCADE,
    since    INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One row: so many machines that are new get a permission when they come.
CREATE TABLE newcomers (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;
INSERT INTO newcomers VALUES (1, 0);

-- The one token of a machine. `state`: given, planned, armed, lapsed, over. Until `busy` an install under it is taken to go on.
CREATE TABLE ticket (
    machine INTEGER PRIMARY KEY REFERENCES machine ON DELETE CASCADE,
    hash    TEXT    NOT NULL UNIQUE,
    until   INTEGER NOT NULL,
    state   TEXT    NOT NULL,
    busy    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Which entry of a profile's configuration database is whose. Once and for ever, until it is released.
CREATE TABLE allocation (
    profile TEXT    NOT NULL,
    entry   TEXT    NOT NULL,
    machine INTEGER NOT NULL REFERENCES machine ON DELETE CASCADE,
    since   INTEGER NOT NULL,
    PRIMARY KEY (profile, entry),
    UNIQUE (machine, profile)
) STRICT;

-- One of a profile's count: until then, or spent where that is null.
CREATE TABLE place (
    machine INTEGER NOT NULL REFERENCES machine ON DELETE CASCADE,
    profile TEXT    NOT NULL,
    until   INTEGER,
    PRIMARY KEY (machine, profile)
) STRICT;
CREATE INDEX place_profile ON place (profile);

-- The last log of a machine.
CREATE TABLE log (
    machine INTEGER PRIMARY KEY REFERENCES machine ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    text    TEXT    NOT NULL
) STRICT;

CREATE TABLE operator (
    name  TEXT    PRIMARY KEY,
    hash  TEXT    NOT NULL UNIQUE,
    since INTEGER NOT NULL
) STRICT;

-- Browsers in which an operator logged in.
CREATE TABLE session (
    hash     TEXT    PRIMARY KEY,
    operator TEXT    NOT NULL REFERENCES operator ON DELETE CASCADE,
    until    INTEGER NOT NULL
) STRICT;

-- Of repositories, as it was accepted.
CREATE TABLE metadata (
    repo  TEXT NOT NULL,
    name  TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (repo, name)
) STRICT;
