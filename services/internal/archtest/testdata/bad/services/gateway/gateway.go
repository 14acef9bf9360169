// Package gateway is the REST face.
package gateway

import (
	_ "database/sql" // want domain-is-pure sql-in-store

	_ "github.com/freshet-io/freshet/gen/rest/token"
	_ "github.com/freshet-io/freshet/services/token/notes" // want services-meet-in-gen
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
)
