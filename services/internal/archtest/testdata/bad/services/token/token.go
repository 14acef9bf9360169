package token

import (
	_ "log/slog"

	_ "database/sql"                 // want domain-is-pure sql-in-store
	_ "google.golang.org/grpc/codes" // want domain-is-pure

	_ "github.com/freshet-io/freshet/gen/freshet/token/v1"    // want domain-is-pure
	_ "github.com/freshet-io/freshet/services/internal/clock" // want domain-is-pure
	_ "github.com/freshet-io/freshet/services/internal/seal"
	_ "github.com/freshet-io/freshet/services/token/notes"
	_ "github.com/freshet-io/freshet/services/token/oauth" // want domain-is-pure
	_ "github.com/freshet-io/freshet/services/token/store" // want domain-is-pure
)
