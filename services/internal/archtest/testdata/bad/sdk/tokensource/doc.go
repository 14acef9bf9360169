// Package tokensource gives an application its token.
package tokensource

import (
	_ "golang.org/x/oauth2"
	_ "google.golang.org/grpc/credentials"

	_ "github.com/freshet-io/freshet/gen/freshet/token/v1"
	_ "github.com/freshet-io/freshet/gen/rest/token"          // want sdk-is-slim
	_ "github.com/freshet-io/freshet/services/internal/clock" // want sdk-is-slim
	_ "go.opentelemetry.io/otel"                              // want sdk-is-slim
)
