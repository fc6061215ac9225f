-- To schema 3. Before it boot scripts ended the token before them, and boot entries were a matter of the ticket.

-- A machine whose boot entry is there and not confirmed: until then it may begin again by itself, and it runs what this
-- profile is. `returned`: that was put off for its return.
ALTER TABLE machine ADD COLUMN armed INTEGER;
ALTER TABLE machine ADD COLUMN armed_for TEXT;
ALTER TABLE machine ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
UPDATE machine SET armed_for = profile, armed = busy FROM ticket WHERE ticket.machine = machine.id AND state = 'armed';

-- Boot scripts that are out, with the hash of a token that was not used yet, and what was said by who asked.
CREATE TABLE script (
    hash     TEXT    PRIMARY KEY,
    machine  INTEGER NOT NULL REFERENCES machine ON DELETE CASCADE,
    until    INTEGER NOT NULL,
    uuid     TEXT    NOT NULL,
    serial   TEXT    NOT NULL,
    platform TEXT    NOT NULL
) STRICT;
CREATE INDEX script_machine ON script (machine);
