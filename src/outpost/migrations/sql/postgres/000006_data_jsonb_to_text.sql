-- Event data is kept as text, so that it is answered as it was sent.
-- outpost: rewrites events attempts
ALTER TABLE events ALTER COLUMN data TYPE text USING data::text;
ALTER TABLE attempts ALTER COLUMN event_data TYPE text USING event_data::text;
