package authn

import (
	"context"
	"slices"
)

// Services of the suite, as they name themselves to each other.
const (
	ServiceConnection = "connection"
	ServiceToken      = "token"
	ServiceDelivery   = "delivery"
	ServiceGateway    = "gateway"
)

func knownService(name string) bool {
	return slices.Contains([]string{ServiceConnection, ServiceToken, ServiceDelivery, ServiceGateway}, name)
}

// Principal is an authenticated caller: either Admin is set or Service, never
// both. The zero value is nobody.
type Principal struct {
	// Admin: the caller holds the admin key.
	Admin bool
	// Service is the calling service of the suite: one of the Service constants.
	Service string
}

// String returns "admin", "service/token" and the like, and "nobody" for the
// zero value; for logs.
func (p Principal) String() string {
	switch {
	case p.Admin:
		return "admin"
	case p.Service != "":
		return "service/" + p.Service
	default:
		return "nobody"
	}
}

type principalKey struct{}

// WithPrincipal returns ctx with p as its caller.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the caller of the call that ctx belongs to; false when
// nobody was authenticated.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
