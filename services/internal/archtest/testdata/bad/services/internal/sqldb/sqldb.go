// Package sqldb opens databases.
package sqldb

import (
	_ "database/sql"
	_ "github.com/jackc/pgx/v5"
)
