// Package rpc serves.
package rpc

import (
	_ "google.golang.org/grpc"

	_ "github.com/freshet-io/freshet/gen/freshet/token/v1"
	_ "github.com/freshet-io/freshet/services/app"        // want parts-know-no-whole rpc-and-store-apart services-meet-in-gen
	_ "github.com/freshet-io/freshet/services/connection" // want services-meet-in-gen
	_ "github.com/freshet-io/freshet/services/token/notes"
	_ "github.com/freshet-io/freshet/services/token/store" // want rpc-and-store-apart
)
