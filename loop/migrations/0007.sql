-- Schema version 7: whole requests and who asked them, the id of an answer, labels with what they came as.
CREATE TABLE runs (
    id VARCHAR PRIMARY KEY, user_id VARCHAR, conversation_id VARCHAR, workload VARCHAR, tags VARCHAR[],
    time TIMESTAMP NOT NULL, payload JSON NOT NULL, unmapped VARCHAR[] NOT NULL
);
ALTER TABLE traces ADD COLUMN response VARCHAR;
ALTER TABLE labels ADD COLUMN run VARCHAR;
ALTER TABLE labels ADD COLUMN payload JSON;
ALTER TABLE labels ADD COLUMN unmapped VARCHAR[];
