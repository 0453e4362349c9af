-- Schema version 1.
CREATE TABLE snapshots (
    id VARCHAR PRIMARY KEY, parent VARCHAR, cycle INTEGER, created TIMESTAMP NOT NULL,
    rows_in INTEGER NOT NULL, train INTEGER NOT NULL, validation INTEGER NOT NULL, test INTEGER NOT NULL,
    dropped JSON NOT NULL
);
CREATE TABLE membership (
    snapshot VARCHAR NOT NULL, row_id VARCHAR NOT NULL, split VARCHAR NOT NULL, origin VARCHAR NOT NULL,
    source VARCHAR, line BIGINT, parents VARCHAR[], trace VARCHAR
);
CREATE TABLE drops (
    snapshot VARCHAR NOT NULL, row_id VARCHAR NOT NULL, source VARCHAR, line BIGINT,
    step VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    partner_id VARCHAR, partner_source VARCHAR, partner_line BIGINT, similarity DOUBLE, detail VARCHAR
);
CREATE TABLE models (
    name VARCHAR NOT NULL, version INTEGER NOT NULL, base VARCHAR NOT NULL, base_id VARCHAR NOT NULL, snapshot VARCHAR,
    status VARCHAR NOT NULL CHECK (status IN ('staging', 'production', 'archived', 'rejected')),
    path VARCHAR, settings JSON NOT NULL, metrics JSON NOT NULL, created TIMESTAMP NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE traces (
    id VARCHAR PRIMARY KEY, source VARCHAR NOT NULL, event VARCHAR NOT NULL, time TIMESTAMP NOT NULL,
    cycle INTEGER, model VARCHAR NOT NULL, version INTEGER, messages JSON NOT NULL, output VARCHAR NOT NULL,
    reference VARCHAR, tags VARCHAR[], prompt_tokens INTEGER, output_tokens INTEGER, latency DOUBLE,
    mean_entropy DOUBLE, finish_reason VARCHAR, sampling JSON, origin VARCHAR NOT NULL,
    UNIQUE (source, event)
);
CREATE TABLE verdicts (
    trace VARCHAR NOT NULL, judge VARCHAR NOT NULL, repeat INTEGER NOT NULL, key VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('scored', 'unparsable', 'refused', 'truncated', 'failed')),
    score DOUBLE CHECK (score BETWEEN 0 AND 1),
    criteria JSON NOT NULL, feedback VARCHAR NOT NULL, raw VARCHAR NOT NULL, stop_reason VARCHAR NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost DOUBLE,
    PRIMARY KEY (trace, judge, repeat),
    CHECK ((state = 'scored') = (score IS NOT NULL))
);
CREATE TABLE corrections (
    trace VARCHAR NOT NULL, judge VARCHAR NOT NULL, author VARCHAR NOT NULL, output VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('proposed', 'accepted', 'rejected')),
    reason VARCHAR NOT NULL, cycle INTEGER,
    PRIMARY KEY (trace, author)
);
CREATE TABLE heldout_sets (
    name VARCHAR NOT NULL, version VARCHAR NOT NULL, items INTEGER NOT NULL, role VARCHAR NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE TABLE evaluations (
    model VARCHAR NOT NULL, version INTEGER NOT NULL, heldout VARCHAR NOT NULL, heldout_version VARCHAR NOT NULL,
    item VARCHAR NOT NULL, judge VARCHAR NOT NULL, setup VARCHAR NOT NULL, tags VARCHAR[], output VARCHAR NOT NULL,
    reference VARCHAR NOT NULL, state VARCHAR NOT NULL, score DOUBLE, criteria JSON NOT NULL, exact BOOLEAN NOT NULL,
    PRIMARY KEY (model, version, heldout, heldout_version, judge, setup, item),
    CHECK ((state = 'scored') = (score IS NOT NULL))
);
CREATE TABLE promotions (
    id INTEGER PRIMARY KEY, cycle INTEGER NOT NULL, model VARCHAR NOT NULL, candidate INTEGER NOT NULL,
    incumbent INTEGER NOT NULL, heldout_version VARCHAR NOT NULL, items INTEGER NOT NULL,
    difference DOUBLE NOT NULL, low DOUBLE NOT NULL, high DOUBLE NOT NULL, p_value DOUBLE NOT NULL, alpha DOUBLE NOT NULL,
    decision VARCHAR NOT NULL CHECK (decision IN ('promoted', 'held')), reason VARCHAR NOT NULL,
    slices JSON NOT NULL, regressions JSON NOT NULL, time TIMESTAMP NOT NULL
);
CREATE TABLE cycles (
    id INTEGER PRIMARY KEY, model VARCHAR NOT NULL, kind VARCHAR NOT NULL, key VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('running', 'finished', 'abandoned')),
    started TIMESTAMP NOT NULL, finished TIMESTAMP
);
CREATE TABLE steps (
    cycle INTEGER NOT NULL, position INTEGER NOT NULL, name VARCHAR NOT NULL, outputs JSON NOT NULL,
    summary VARCHAR NOT NULL, started TIMESTAMP NOT NULL, finished TIMESTAMP NOT NULL,
    PRIMARY KEY (cycle, name)
);

CREATE VIEW low_scores AS
    SELECT t.id AS trace, t.cycle, t.model, t.version, v.score, v.judge, v.feedback, t.output, t.reference
    FROM traces t JOIN verdicts v ON v.trace = t.id WHERE v.state = 'scored' ORDER BY v.score, t.id;
CREATE VIEW score_by_model AS
    SELECT model, version, heldout, heldout_version, judge, setup, count(*) AS items, count(score) AS scored, avg(score) AS mean_score,
           avg(exact::DOUBLE) AS exact_match
    FROM evaluations GROUP BY ALL ORDER BY model, version, heldout, heldout_version, judge, setup;
CREATE VIEW score_by_cycle AS
    SELECT t.cycle, t.version, v.judge, count(*) AS traces, count(v.score) AS scored, avg(v.score) AS mean_score
    FROM traces t JOIN verdicts v ON v.trace = t.id GROUP BY ALL ORDER BY t.cycle;
CREATE VIEW judge_cost AS
    SELECT judge, sum(traces)::BIGINT AS verdicts, count(*) AS asked, sum(input_tokens)::BIGINT AS input_tokens,
           sum(output_tokens)::BIGINT AS output_tokens, sum(cost) AS cost
    FROM (SELECT judge, key, input_tokens, output_tokens, cost, count(*) AS traces FROM verdicts GROUP BY ALL)
    GROUP BY judge ORDER BY judge;
CREATE VIEW abstentions AS
    SELECT judge, state, count(*) AS verdicts FROM verdicts WHERE state <> 'scored' GROUP BY ALL ORDER BY ALL;
CREATE VIEW row_history AS
    SELECT m.row_id, m.snapshot, m.split, m.origin, m.source, m.line, m.trace, t.output AS traced_output,
           v.judge, v.score, c.output AS corrected_output, c.author, d.version AS model_version, d.status
    FROM membership m
    LEFT JOIN traces t ON t.id = m.trace
    LEFT JOIN verdicts v ON v.trace = m.trace
    LEFT JOIN corrections c ON c.trace = m.trace AND c.state = 'accepted'
    LEFT JOIN models d ON d.snapshot = m.snapshot
    ORDER BY m.row_id, m.snapshot;
