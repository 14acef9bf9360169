package store

import (
	_ "google.golang.org/grpc/codes" // want rpc-and-store-apart

	_ "github.com/freshet-io/freshet/gen/freshet/token/v1" // want rpc-and-store-apart
)
