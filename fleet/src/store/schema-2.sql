-- To schema 2. Schema 1 had no tickets that are armed or lapsed: an install whose boot entry is there was still planned.
UPDATE ticket SET state = 'armed'
WHERE state = 'planned' AND machine IN (SELECT id FROM machine WHERE stage = 'armed');
