-- The number of an attempt, and whether a person asked for it.
ALTER TABLE deliveries
    ADD COLUMN manual boolean NOT NULL DEFAULT false,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0;
ALTER TABLE event_delivery_index
    ADD COLUMN manual boolean NOT NULL DEFAULT false,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0;
