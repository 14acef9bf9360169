-- +goose Up
-- The unfinished deliveries of each group to each target, in order; only the first is due. The row of a line is its lock, and is there
-- while the line has places.
CREATE TABLE delivery_lines (
  project    TEXT NOT NULL,
  line_id    TEXT NOT NULL, -- digest of bus, rule, target, destination and group
  last_place INTEGER NOT NULL,
  PRIMARY KEY (project, line_id)
) WITHOUT ROWID;

CREATE TABLE line_places (
  project     TEXT NOT NULL,
  line_id     TEXT NOT NULL,
  place       INTEGER NOT NULL,
  delivery_id TEXT NOT NULL,
  PRIMARY KEY (project, line_id, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX line_places_delivery ON line_places (project, delivery_id);

-- +goose Down
DROP TABLE line_places;
DROP TABLE delivery_lines;
