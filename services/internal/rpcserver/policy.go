package rpcserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/freshet-io/freshet/services/internal/authn"
)

// Policy says which services of the suite may call an internal service: full
// service name ("freshet.token.v1.TokenInternalService") to names of callers
// (authn's Service constants).
//
// A service that has a rule can be called by those it names and by nobody else,
// the admin included. A service whose name ends in "InternalService" must have
// one ([Policy.Check]). All others may be called by every authenticated caller,
// but reflection only by the admin, and health by everybody.
type Policy map[string][]string

// internalSuffix ends the name of every service that only the suite may call.
const internalSuffix = "InternalService"

const (
	healthService    = "grpc.health.v1.Health"
	reflectionPrefix = "grpc.reflection."
)

// Check returns an error that names every registered internal service without a
// rule; grpc.Server.GetServiceInfo gives what is registered.
func (p Policy) Check(registered map[string]grpc.ServiceInfo) error {
	var errs []error
	for service := range registered {
		if strings.HasSuffix(service, internalSuffix) && len(p[service]) == 0 {
			errs = append(errs, fmt.Errorf("rpcserver: the policy says of nobody that it may call %s", service))
		}
	}
	return errors.Join(errs...)
}

// public reports whether service may be called without a credential.
func (p Policy) public(service string) bool { return service == healthService }

// allows reports whether an authenticated caller may call service.
func (p Policy) allows(service string, caller authn.Principal) bool {
	callers, ruled := p[service]
	switch {
	case ruled, strings.HasSuffix(service, internalSuffix):
		return caller.Service != "" && slices.Contains(callers, caller.Service)
	case strings.HasPrefix(service, reflectionPrefix):
		return caller.Admin
	default:
		return caller != authn.Principal{}
	}
}
