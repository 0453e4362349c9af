-- Schema version 8: a snapshot that grew shares the rows of its parent here, too, as its files do.
CREATE TABLE layers (
    snapshot VARCHAR NOT NULL, position INTEGER NOT NULL, layer VARCHAR NOT NULL, PRIMARY KEY (snapshot, position)
);
CREATE TABLE layer_gone (layer VARCHAR NOT NULL, row_id VARCHAR NOT NULL);
ALTER TABLE membership RENAME TO layer_rows;
ALTER TABLE layer_rows RENAME COLUMN snapshot TO layer;
INSERT INTO layers SELECT DISTINCT layer, 0, layer FROM layer_rows;
CREATE VIEW membership AS
    SELECT l.snapshot, r.row_id, r.split, r.origin, r.source, r.line, r.parents, r.trace
    FROM layers l JOIN layer_rows r ON r.layer = l.layer
    WHERE NOT EXISTS (
        FROM layers later JOIN layer_gone g ON g.layer = later.layer
        WHERE later.snapshot = l.snapshot AND later.position > l.position AND g.row_id = r.row_id
    );
