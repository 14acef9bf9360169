// Package fresh speaks gRPC, and so cannot be part of the domain.
package fresh

import _ "google.golang.org/grpc"
