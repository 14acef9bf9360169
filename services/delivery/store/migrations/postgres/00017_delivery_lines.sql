-- +goose Up
-- The unfinished deliveries of each group to each target, in order; only the first is due. The row of a line is its lock, and is there
-- while the line has places.
CREATE TABLE delivery_lines (
  project    TEXT COLLATE "C" NOT NULL,
  line_id    TEXT COLLATE "C" NOT NULL, -- digest of bus, rule, target, destination and group
  last_place BIGINT NOT NULL,
  PRIMARY KEY (project, line_id)
);

CREATE TABLE line_places (
  project     TEXT COLLATE "C" NOT NULL,
  line_id     TEXT COLLATE "C" NOT NULL,
  place       BIGINT NOT NULL,
  delivery_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (project, line_id, place)
);
CREATE UNIQUE INDEX line_places_delivery ON line_places (project, delivery_id);

-- +goose Down
DROP TABLE line_places;
DROP TABLE delivery_lines;
