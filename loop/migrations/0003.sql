-- Schema version 3: traces from elsewhere, labels, held-out items, deletions.
ALTER TABLE traces ADD COLUMN run VARCHAR;
ALTER TABLE traces ADD COLUMN workload VARCHAR;
ALTER TABLE traces ADD COLUMN user_id VARCHAR;
ALTER TABLE traces ADD COLUMN conversation_id VARCHAR;
ALTER TABLE traces ADD COLUMN cost DOUBLE;
ALTER TABLE traces ADD COLUMN probability DOUBLE;
CREATE TABLE payloads (
    trace VARCHAR NOT NULL, format VARCHAR NOT NULL, mapping INTEGER NOT NULL,
    payload JSON NOT NULL, unmapped VARCHAR[] NOT NULL
);
CREATE TABLE labels (
    id VARCHAR PRIMARY KEY, trace VARCHAR NOT NULL, name VARCHAR NOT NULL, author VARCHAR NOT NULL,
    score DOUBLE, label VARCHAR, comment VARCHAR, time TIMESTAMP NOT NULL, origin VARCHAR NOT NULL
);
CREATE TABLE deletions (trace VARCHAR PRIMARY KEY, reason VARCHAR NOT NULL, time TIMESTAMP NOT NULL);
ALTER TABLE heldout_sets ADD COLUMN created TIMESTAMP;
CREATE TABLE heldout_items (
    name VARCHAR NOT NULL, version VARCHAR NOT NULL, item VARCHAR NOT NULL,
    PRIMARY KEY (name, version, item)
);

CREATE VIEW trace_labels AS
    SELECT t.id AS trace, t.cycle, t.model, t.version, l.name, l.author, l.score, l.label, l.comment, l.time
    FROM labels l JOIN traces t ON t.id = l.trace
    UNION ALL
    SELECT t.id, t.cycle, t.model, t.version, l.name, l.author, l.score, l.label, l.comment, l.time
    FROM labels l JOIN traces t ON t.run = l.trace;
CREATE VIEW usage AS
    SELECT time::DATE AS day, origin, workload, model, version, count(*) AS traces,
           sum(prompt_tokens)::BIGINT AS prompt_tokens, sum(output_tokens)::BIGINT AS output_tokens,
           sum(cost) AS cost, count(*) FILTER (cost IS NULL) AS cost_unknown, avg(latency) AS mean_latency
    FROM traces GROUP BY ALL ORDER BY ALL;
