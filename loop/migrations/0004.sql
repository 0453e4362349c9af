-- Schema version 4: what a cycle was made from, steps that were done anew, and the ticks of the schedule.
ALTER TABLE cycles ADD COLUMN inputs JSON;
ALTER TABLE cycles ADD COLUMN redo_key VARCHAR;
ALTER TABLE cycles ADD COLUMN redo_inputs JSON;
CREATE TABLE replaced_steps (
    cycle INTEGER NOT NULL, position INTEGER NOT NULL, name VARCHAR NOT NULL, outputs JSON NOT NULL,
    summary VARCHAR NOT NULL, started TIMESTAMP NOT NULL, finished TIMESTAMP NOT NULL, replaced TIMESTAMP NOT NULL
);
CREATE TABLE ticks (
    model VARCHAR NOT NULL, due TIMESTAMP NOT NULL, process VARCHAR NOT NULL,
    started TIMESTAMP NOT NULL, finished TIMESTAMP, outcome VARCHAR, cycle INTEGER, detail VARCHAR,
    PRIMARY KEY (model, due)
);
