-- Schema version 7: whole requests and who asked them, the id of an answer, labels with what they came as;
-- views that tell repeats, models and corrections apart.
CREATE TABLE runs (
    id VARCHAR PRIMARY KEY, user_id VARCHAR, conversation_id VARCHAR, workload VARCHAR, tags VARCHAR[],
    time TIMESTAMP NOT NULL, payload JSON NOT NULL, unmapped VARCHAR[] NOT NULL
);
ALTER TABLE traces ADD COLUMN response VARCHAR;
ALTER TABLE labels ADD COLUMN run VARCHAR;
ALTER TABLE labels ADD COLUMN payload JSON;
ALTER TABLE labels ADD COLUMN unmapped VARCHAR[];

DROP VIEW low_scores;
CREATE VIEW low_scores AS
    SELECT t.id AS trace, t.cycle, t.model, t.version, v.score, v.judge, v.repeat, v.feedback, t.output, t.reference
    FROM traces t JOIN verdicts v ON v.trace = t.id WHERE v.state = 'scored' ORDER BY v.score, t.id;
DROP VIEW score_by_cycle;
CREATE VIEW score_by_cycle AS
    SELECT t.cycle, t.model, t.version, v.judge, count(*) FILTER (v.repeat = 0) AS traces, count(*) AS verdicts,
           count(v.score) AS scored, avg(v.score) AS mean_score
    FROM traces t JOIN verdicts v ON v.trace = t.id GROUP BY ALL ORDER BY t.cycle, t.model, t.version;
DROP VIEW judge_cost;
CREATE VIEW judge_cost AS
    SELECT v.judge, coalesce(j.model, '') AS model, v.cycle, v.time::DATE AS day,
           sum(v.traces)::BIGINT AS verdicts, count(*) AS asked, count(v.score) AS scored,
           sum(v.input_tokens)::BIGINT AS input_tokens, sum(v.cached_tokens)::BIGINT AS cached_tokens,
           sum(v.output_tokens)::BIGINT AS output_tokens, sum(v.cost) AS cost,
           count(*) FILTER (v.cost IS NULL AND v.replied) AS cost_unknown
    FROM (SELECT w.judge, w.repeat, w.key, min(t.cycle) AS cycle, count(*) AS traces,
                 -- Of a content that failed first and was answered later, the answer is what cost.
                 coalesce(min(w.time) FILTER (w.state <> 'failed'), min(w.time)) AS time,
                 bool_or(w.state <> 'failed') AS replied, max(w.score) AS score, max(w.cost) AS cost,
                 max(w.input_tokens) AS input_tokens, max(w.cached_tokens) AS cached_tokens,
                 max(w.output_tokens) AS output_tokens
          FROM verdicts w LEFT JOIN traces t ON t.id = w.trace GROUP BY w.judge, w.repeat, w.key) v
    LEFT JOIN judges j ON j.id = v.judge
    GROUP BY ALL ORDER BY ALL;
DROP VIEW row_history;
CREATE VIEW row_history AS
    SELECT m.row_id, m.snapshot, m.split, m.origin, m.source, m.line, m.trace, t.output AS traced_output,
           v.judge, v.repeat, v.score, c.output AS corrected_output, c.author, d.version AS model_version, d.status
    FROM membership m
    LEFT JOIN traces t ON t.id = m.trace
    LEFT JOIN verdicts v ON v.trace = m.trace
    LEFT JOIN (
        -- Of several, the merge takes a person's, and the last by its author's name.
        FROM corrections WHERE state = 'accepted'
        QUALIFY row_number() OVER (PARTITION BY trace ORDER BY author LIKE 'person:%' DESC, author DESC) = 1
    ) c ON c.trace = m.trace AND m.origin = 'correction'
    LEFT JOIN models d ON d.snapshot = m.snapshot
    ORDER BY m.row_id, m.snapshot;
