// Package token is REST stubs.
package token

import _ "github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
