-- Schema version 5: a failed verdict is no verdict of unknown cost; `regrind judge run` says so, too.
DROP VIEW judge_cost;
CREATE VIEW judge_cost AS
    SELECT v.judge, coalesce(j.model, '') AS model, v.cycle, v.time::DATE AS day,
           sum(v.traces)::BIGINT AS verdicts, count(*) AS asked, count(v.score) AS scored,
           sum(v.input_tokens)::BIGINT AS input_tokens, sum(v.cached_tokens)::BIGINT AS cached_tokens,
           sum(v.output_tokens)::BIGINT AS output_tokens, sum(v.cost) AS cost,
           count(*) FILTER (v.cost IS NULL AND v.state <> 'failed') AS cost_unknown
    FROM (SELECT w.judge, w.repeat, w.key, min(t.cycle) AS cycle, min(w.time) AS time, count(*) AS traces,
                 any_value(w.score) AS score, any_value(w.input_tokens) AS input_tokens,
                 any_value(w.cached_tokens) AS cached_tokens, any_value(w.output_tokens) AS output_tokens,
                 any_value(w.cost) AS cost, any_value(w.state) AS state
          FROM verdicts w LEFT JOIN traces t ON t.id = w.trace GROUP BY w.judge, w.repeat, w.key) v
    LEFT JOIN judges j ON j.id = v.judge
    GROUP BY ALL ORDER BY ALL;
