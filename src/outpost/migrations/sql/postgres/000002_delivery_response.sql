-- What the receiver answered.
ALTER TABLE deliveries
    ADD COLUMN code text,
    ADD COLUMN response_data jsonb;
