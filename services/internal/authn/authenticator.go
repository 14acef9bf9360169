package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	errorsv1 "github.com/freshet-io/freshet/gen/freshet/errors/v1"
	"github.com/freshet-io/freshet/services/internal/rpcerr"
	"github.com/freshet-io/freshet/services/internal/seal"
)

const (
	headerAuthorization = "authorization"
	headerAPIKey        = "x-api-key"
	// maxPresented bounds the work one call can cause. A proxy that adds its own
	// credential to the caller's makes two.
	maxPresented = 4
)

// Authenticator finds out who calls.
type Authenticator struct {
	admin    [32]byte
	internal *InternalTokens
}

// New returns an authenticator that knows the holder of the admin key whose
// SHA-256 is adminHash, and the suite's services by internal; nil knows none.
func New(adminHash [32]byte, internal *InternalTokens) *Authenticator {
	return &Authenticator{admin: adminHash, internal: internal}
}

// Authenticate returns the caller that a call's metadata proves, by
// "authorization: Bearer <admin key or internal token>" or "x-api-key: <admin
// key>". Every credential that is sent must be valid; of several the first
// counts, authorization before x-api-key. The error is an UNAUTHENTICATED
// status.
func (a *Authenticator) Authenticate(md metadata.MD) (Principal, error) {
	bearers, keys := md.Get(headerAuthorization), md.Get(headerAPIKey)
	switch n := len(bearers) + len(keys); {
	case n == 0:
		return Principal{}, refuse(`no caller credential: send "authorization: Bearer <key>" or "x-api-key: <key>"`)
	case n > maxPresented:
		return Principal{}, refuse("too many caller credentials")
	}
	var caller Principal
	for _, value := range bearers {
		p, err := a.bearer(value)
		if err != nil {
			return Principal{}, err
		}
		caller = caller.or(p)
	}
	for _, key := range keys {
		if !a.isAdmin(key) {
			return Principal{}, refuse("the x-api-key is not valid")
		}
		caller = caller.or(Principal{Admin: true})
	}
	return caller, nil
}

func (a *Authenticator) bearer(value string) (Principal, error) {
	// The scheme is case-insensitive (RFC 9110 section 11.1).
	scheme, credential, ok := strings.Cut(value, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, refuse(`authorization must be "Bearer <key>"`)
	}
	credential = strings.TrimLeft(credential, " ")
	if a.isAdmin(credential) {
		return Principal{Admin: true}, nil
	}
	if a.internal != nil {
		service, err := a.internal.verify(credential)
		if err == nil {
			return Principal{Service: service}, nil
		}
		if errors.Is(err, errInternalTime) {
			return Principal{}, refuse("the internal token is expired or not yet valid; are the clocks in step?")
		}
	}
	return Principal{}, refuse("the bearer credential is not valid")
}

// isAdmin compares digests, so that neither the time nor an early end of the
// comparison tells anything about the key.
func (a *Authenticator) isAdmin(key string) bool {
	sum := sha256.Sum256([]byte(key))
	return subtle.ConstantTimeCompare(sum[:], a.admin[:]) == 1
}

func (p Principal) or(other Principal) Principal {
	if p == (Principal{}) {
		return other
	}
	return p
}

func refuse(message string) error {
	return rpcerr.New(codes.Unauthenticated, errorsv1.Reason_UNAUTHENTICATED, "%s", message)
}

// AdminCredentials returns credentials that send the admin key with each call,
// for command lines and tools. They demand transport security like those of
// [InternalTokens.Credentials].
func AdminCredentials(key seal.Secret) credentials.PerRPCCredentials { return adminCredentials{key} }

type adminCredentials struct{ key seal.Secret }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c adminCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{headerAuthorization: "Bearer " + c.key.Reveal()}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (c adminCredentials) RequireTransportSecurity() bool { return true }
