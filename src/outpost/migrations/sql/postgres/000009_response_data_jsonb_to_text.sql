-- Answers are kept as text.
-- outpost: rewrites attempts
ALTER TABLE attempts ALTER COLUMN response_data TYPE text USING response_data::text;
