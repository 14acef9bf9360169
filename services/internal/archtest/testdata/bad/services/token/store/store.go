package store

import (
	_ "database/sql"

	_ "modernc.org/sqlite" // want drivers-in-sqldb

	_ "github.com/freshet-io/freshet/services/internal/sqltest" // want tests-stay-out
)
