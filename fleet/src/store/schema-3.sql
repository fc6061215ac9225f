-- From schema 2, whose boot scripts ended the token before them, and whose boot entries were a matter of the ticket.
ALTER TABLE machine ADD COLUMN armed INTEGER;
ALTER TABLE machine ADD COLUMN armed_for TEXT;
ALTER TABLE machine ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
UPDATE machine SET armed_for = profile, armed = busy FROM ticket WHERE ticket.machine = machine.id AND state = 'armed';
CREATE TABLE script (
    hash     TEXT    PRIMARY KEY,
    machine  INTEGER NOT NULL REFERENCES machine ON DELETE CASCADE,
    until    INTEGER NOT NULL,
    uuid     TEXT    NOT NULL,
    serial   TEXT    NOT NULL,
    platform TEXT    NOT NULL
) STRICT;
CREATE INDEX script_machine ON script (machine);
